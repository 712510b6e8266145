/** What this person asked for, until the log shows it: one act in flight per room, in order, each under one id. */

import type { CommitResult, Position, Refusal } from "../protocol";
import type { Act, Posting, Progress, Room } from "./types";

/** How long the server is sure to know an id again; after that, trying again could do a thing twice. */
export const ID_SECONDS = 600;

const NAMES = { post: "message", edit: "edit", delete: "deletion", react: "reaction" } as const;

const without = (room: Room, id: string): Room => ({ ...room, acts: room.acts.filter((act) => act.id !== id) });

function advance(room: Room, id: string, progress: Progress, more: Partial<Posting> = {}): Room {
  const acts = room.acts.map((act) => (act.id === id ? ({ ...act, ...more, progress } as Act) : act));
  return { ...room, acts };
}

/** The log shows the act with this id: that is the acknowledgement, whether or not a reply came. */
export function acknowledge(room: Room, id: string): Room {
  return room.acts.some((act) => act.id === id) ? without(room, id) : room;
}

/** The log was read to its end: what was acknowledged up to there and is not in it is part of a loss we were told of. */
export function settle(room: Room): Room {
  const ahead = (place: Position | undefined): boolean =>
    place !== undefined && place.epoch === room.position?.epoch && place.offset > room.position.offset;
  return { ...room, acts: room.acts.filter((act) => act.progress !== "sent" || (act.type === "post" && ahead(act.place))) };
}

export const isExpired = (act: Act, now: number): boolean => act.progress === "unknown" && now - act.at >= ID_SECONDS;

/** The act whose turn it is, or null: one in flight per room keeps one author's order. */
export function nextAct(room: Room, now: number): Act | null {
  if (room.membership !== "live" || room.acts.some((act) => act.progress === "sending")) return null;
  const ready = (act: Act): boolean => (act.progress === "unknown" && !isExpired(act, now)) || act.progress === "queued";
  return room.acts.find(ready) ?? null;
}

export const onSent = (room: Room, id: string): Room => advance(room, id, "sending");

/** Acknowledged. A post stays in sight until its push takes its place; where that came first, there is nothing left. */
export function onCommitted(room: Room, id: string, { epoch, offset }: CommitResult): Room {
  const act = room.acts.find((candidate) => candidate.id === id);
  if (act === undefined) return room;
  const passed = room.position !== null && room.position.epoch === epoch && offset <= room.position.offset;
  return act.type !== "post" || passed ? without(room, id) : advance(room, id, "sent", { place: { epoch, offset } });
}

/** Refused. Returns the room and what the person is to be told, if the act itself is not there to show it. */
export function onRefused(room: Room, id: string, refusal: Refusal): [Room, string | null] {
  const act = room.acts.find((candidate) => candidate.id === id);
  if (act === undefined) return [room, null];
  switch (refusal.code) {
    case "unavailable":
      return [{ ...advance(room, id, "unknown"), membership: "out" }, null];
    case "not_joined":
      return [{ ...advance(room, id, "queued"), membership: "out" }, null];
    case "rate_limited":
      return [advance(room, id, "queued"), null];
    default:
      if (act.type === "post") return [advance(room, id, "failed", { reason: refusal.message }), null];
      return [without(room, id), `Your ${NAMES[act.type]} was refused: ${refusal.message}.`];
  }
}

/** The connection is gone, and with it the reply to what was in flight. */
export function onLost(room: Room): Room {
  if (!room.acts.some((act) => act.progress === "sending")) return room;
  const acts = room.acts.map((act) => (act.progress === "sending" ? ({ ...act, progress: "unknown" } as Act) : act));
  return { ...room, acts };
}

/** Whatever may have been done under an id that is no longer safe to use is now the person's to decide. */
function ask(room: Room, unsure: (act: Act) => boolean): [Room, string | null] {
  const dropped = room.acts.find((act) => unsure(act) && act.type !== "post");
  const acts = room.acts
    .filter((act) => !unsure(act) || act.type === "post")
    .map((act) => (unsure(act) ? ({ ...act, progress: "asking" } as Act) : act));
  const told = dropped && `It is not known whether your ${NAMES[dropped.type]} in #${room.name} arrived. Please look.`;
  return [{ ...room, acts }, told ?? null];
}

/** Once the log was read to its end without finding them, acts older than ten minutes are not tried again unasked. */
export function expire(room: Room, now: number): [Room, string | null] {
  if (room.membership !== "live" || !room.acts.some((act) => isExpired(act, now))) return [room, null];
  return ask(room, (act) => isExpired(act, now));
}

/** Ids belong to a user: a new one cannot try the acts of the former again under them. */
export const disown = (room: Room): [Room, string | null] => ask(room, (act) => act.progress === "unknown");

/** The person wants it tried again. A refused id may be spent, so that gets a fresh one; an unsure one keeps its own. */
export function retry(room: Room, id: string, fresh: string, at: number): Room {
  const acts = room.acts.map((act): Act => {
    if (act.id !== id) return act;
    const { reason: _, ...kept } = act;
    return { ...kept, progress: "queued", at, id: act.progress === "failed" ? fresh : id } as Act;
  });
  return { ...room, acts };
}

export const discard = without;
