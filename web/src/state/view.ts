/** What the components show, worked out from the state. */

import type { Message, Position, User } from "../protocol";
import { keyOf } from "./positions";
import type { Amendment, Connection, Posting, Room, State } from "./types";

/** Messages of one author closer than this, in seconds, stand together. */
const GROUP_SECONDS = 300;

export type Side = { label: string; kind: "async" | "sync"; address: string | null };

/** The backend that the socket goes to, and the other one, as far as they are known. */
export function sides({ about, connection }: State): { here: Side | null; there: Side | null } {
  if (about === null) return { here: null, there: null };
  const own: Side = { label: about.label, kind: about.backend, address: null };
  const kind = about.backend === "async" ? "sync" : "async";
  const twin: Side | null = about.twin && { label: about.twin.label, kind, address: about.twin.address };
  return connection.side === "own" ? { here: own, there: twin } : { here: twin, there: own };
}

/** Messages of others that this user has not read, of those that are loaded. */
export function unread(room: Room, me: User | null): number {
  const read = room.read?.offset ?? 0;
  let count = 0;
  for (let i = room.messages.length - 1; i >= 0; i--) {
    const message = room.messages[i];
    if (message === undefined || message.offset <= read) break;
    if (message.user.id !== me?.id && message.text !== null) count++;
  }
  return count;
}

/** User ids to the short mark that tells them from somebody present under the same name. */
export function marks(users: readonly User[]): ReadonlyMap<string, string> {
  const byName = new Map<string, Set<string>>();
  for (const { id, name } of users) byName.set(name, (byName.get(name) ?? new Set()).add(id));
  const clashing = [...byName.values()].filter((ids) => ids.size > 1).flatMap((ids) => [...ids]);
  return new Map(clashing.map((id) => [id, id.slice(-4)]));
}

/** One row of the conversation: what is in the log, and what this person is doing about it. */
export interface Row {
  readonly key: string;
  readonly message: Message;
  /** The newest own change of it that the log does not show yet. */
  readonly pending: Amendment | undefined;
  /** The first of its author's in a row. */
  readonly leads: boolean;
  /** The first of its day. */
  readonly opens: boolean;
}

const dayOf = (seconds: number): string => new Date(seconds * 1000).toDateString();

export function rows(room: Room): Row[] {
  const pending = new Map(room.acts.flatMap((act) => (act.type === "post" ? [] : [[keyOf(act.target), act]])));
  return room.messages.map((message, i) => {
    const before = room.messages[i - 1];
    const opens = before === undefined || dayOf(before.at) !== dayOf(message.at);
    const near = before !== undefined && before.user.id === message.user.id && message.at - before.at < GROUP_SECONDS;
    const key = keyOf(message);
    return { key, message, pending: pending.get(key), opens, leads: opens || !near || Boolean(message.reply_to) };
  });
}

export const posts = (room: Room): Posting[] => room.acts.filter((act): act is Posting => act.type === "post");

/** The person's own last message that can still be edited. */
export const lastOwn = (room: Room, me: User | null): Message | undefined =>
  room.messages.findLast(({ user, text }) => user.id === me?.id && text !== null);

/** Reactions as they will be once this person's own are in the log, with whether this person is among them. */
export function reactions(message: Message, pending: Amendment | undefined, me: User | null): [string, number, boolean][] {
  const mine = me?.id ?? "";
  const counts = new Map(Object.entries(message.reactions ?? {}).map(([emoji, users]) => [emoji, new Set(users)]));
  if (pending?.type === "react") {
    const users = counts.get(pending.emoji) ?? new Set<string>();
    if (pending.on) users.add(mine);
    else users.delete(mine);
    counts.set(pending.emoji, users);
  }
  return [...counts].filter(([, users]) => users.size > 0).map(([emoji, users]) => [emoji, users.size, users.has(mine)]);
}

export const find = (room: Room, place: Position): Message | undefined =>
  room.messages.find(({ epoch, offset }) => epoch === place.epoch && offset === place.offset);

/** The state of the connection in one word. */
export type Health = "connecting" | "live" | "degraded" | "reconnecting" | "offline" | "ended";

export function health({ status, degraded, online, lostAt }: Connection): Health {
  if (status === "live") return degraded ? "degraded" : "live";
  if (status === "ended") return "ended";
  if (!online) return "offline";
  return lostAt === null ? "connecting" : "reconnecting";
}
