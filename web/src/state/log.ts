/** A room's log as it arrives: entries one by one, join results and replays, and what makes a gap. */

import type { AnyEntry, JoinResult, Message, Position, Replay } from "../protocol";
import { acknowledge, settle } from "./outbox";
import { indexOf } from "./positions";
import type { Change, Room } from "./types";

/** Messages kept of a room; the rest can be loaded again. */
const MOST_LOADED = 600;
const TRIM_AT = 900;

function changed(message: Message, change: Change): Message {
  switch (change.type) {
    case "edited":
      if (change.text === null) return { ...message, text: null, reactions: null };
      return { ...message, text: change.text, edited_at: change.at };
    case "deleted":
      return { ...message, text: null, reactions: null };
    case "reacted": {
      const { [change.emoji]: users = [], ...others } = message.reactions ?? {};
      const rest = users.filter((id) => id !== change.user.id);
      if (change.on && users.includes(change.user.id)) return message;
      const now = change.on ? [...users, change.user.id] : rest;
      if (now.length === 0) return { ...message, reactions: others };
      return { ...message, reactions: { ...message.reactions, [change.emoji]: now } };
    }
  }
}

function change(room: Room, entry: Change): Room {
  const index = indexOf(room.messages, entry.target);
  const message = room.messages[index];
  if (message === undefined) return room.older === "loading" ? { ...room, early: [...room.early, entry] } : room;
  return { ...room, messages: room.messages.with(index, changed(message, entry)) };
}

/** The room with one more entry of its log, which the caller knows to be the next. */
function apply(room: Room, entry: AnyEntry): Room {
  const next = acknowledge({ ...room, position: { epoch: entry.epoch, offset: entry.offset } }, entry.id);
  if (entry.type !== "message") return change(next, entry);
  const typists = next.typists.filter(({ user }) => user.id !== entry.user.id);
  return { ...next, messages: [...next.messages, entry], typists };
}

function applyAll(room: Room, entries: readonly AnyEntry[]): Room {
  return entries.reduce((so_far, entry) => {
    const known = so_far.position !== null && entry.offset <= so_far.position.offset;
    return known ? so_far : apply(so_far, entry);
  }, room);
}

/** A live push. What is not the next entry is never shown: it is known already, is being fetched, or shows a gap. */
export function onEntry(room: Room, entry: AnyEntry): Room {
  const { position } = room;
  if (position?.epoch === entry.epoch) {
    if (entry.offset <= position.offset) return room;
    if (entry.offset === position.offset + 1) return apply(room, entry);
  }
  if (room.membership === "live") return { ...room, membership: "out" };
  const further = room.heard === null || entry.offset > room.heard.offset;
  return further ? { ...room, heard: { epoch: entry.epoch, offset: entry.offset } } : room;
}

/** The last page is in. What was passed over meanwhile must be in it, or the room is joined once more. */
function complete(room: Room): Room {
  const { heard, position } = room;
  const missing = heard !== null && (position === null || heard.offset > position.offset);
  return { ...settle(room), membership: missing ? "out" : "live", heard: null };
}

function later(a: Position | null, b: Position | null): Position | null {
  if (a === null || b === null) return a ?? b;
  return a.epoch === b.epoch && a.offset > b.offset ? a : b;
}

/** @param resuming whether the join carried a position */
export function onJoined(room: Room, result: JoinResult, resuming: boolean): Room {
  const recovered = resuming && result.recovered;
  const anew: Partial<Room> = {
    messages: [],
    position: null,
    early: [],
    older: (result.messages[0]?.offset ?? 1) > 1 ? "some" : "none",
    broken: room.broken || room.messages.length > 0,
    newSince: null,
  };
  const joined: Room = {
    ...room,
    ...(recovered ? {} : anew),
    members: result.members,
    read: recovered ? later(room.read, result.read) : result.read,
    readSent: result.read?.offset ?? 0,
    joinTries: 0,
    refusal: null,
  };
  const filled = applyAll(joined, result.messages);
  const reached = Math.max(result.offset, recovered ? (filled.position?.offset ?? 0) : 0);
  const position = { epoch: result.epoch, offset: reached };
  return result.more ? { ...filled, position, membership: "replaying" } : complete({ ...filled, position });
}

export function onReplay(room: Room, page: Replay): Room {
  if (room.membership !== "replaying") return room;
  const filled = applyAll(room, page.messages);
  if (page.more) return filled;
  const epoch = room.position?.epoch;
  const position = filled.position && epoch ? { epoch, offset: filled.position.offset } : filled.position;
  return complete({ ...filled, position });
}

/** What was missed cannot be had. What is on the screen stays until the room is loaded anew. */
export const onReset = (room: Room): Room => ({ ...room, membership: "out", position: null, heard: null, joinAt: 0 });

/** A page of older messages; `before` is the offset it was asked with. */
export function onOlder(room: Room, before: number, epoch: string, page: readonly Message[], more: boolean): Room {
  const first = room.messages[0];
  if (room.older !== "loading") return room;
  if (first?.offset !== before || epoch !== room.position?.epoch) return { ...room, older: "some", early: [] };
  const messages = [...page.filter(({ offset }) => offset < before), ...room.messages];
  const older: Room = { ...room, messages, older: more ? "some" : "none" };
  return { ...room.early.reduce(change, older), early: [] };
}

/** Forget the oldest messages of a room that has grown long, unless somebody is reading up there. */
export function trim(room: Room): Room {
  if (room.messages.length < TRIM_AT || room.older === "loading") return room;
  return { ...room, messages: room.messages.slice(-MOST_LOADED), older: "some" };
}
