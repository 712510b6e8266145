/** What to send next, and when there will be something to do even if nothing happens. */

import type { AnyCommand } from "../protocol";
import { ID_SECONDS, nextAct } from "./outbox";
import { PATIENCE } from "./reconnect";
import type { Act, Room, State } from "./types";

/** Seconds between two "has read" in one room. */
const READ_EVERY = 1;

const inTurn = (state: State): Room[] => {
  const others = state.order.filter((name) => name !== state.current);
  return [state.current, ...others].flatMap((name) => state.rooms[name] ?? []);
};

function commandOf(act: Act, room: string, ref: number): AnyCommand {
  const head = { ref, room, id: act.id };
  switch (act.type) {
    case "post":
      return { type: "post", ...head, text: act.text, ...(act.reply_to === null ? {} : { reply_to: act.reply_to }) };
    case "edit":
      return { type: "edit", ...head, target: act.target, text: act.text };
    case "delete":
      return { type: "delete", ...head, target: act.target };
    case "react":
      return { type: "react", ...head, target: act.target, emoji: act.emoji, on: act.on };
  }
}

function dueJoin(state: State, now: number): AnyCommand | null {
  const room = inTurn(state).find(({ membership, joinAt }) => membership === "out" && joinAt <= now);
  if (room === undefined) return null;
  const since = room.position === null ? {} : { since: room.position };
  return { type: "join", ref: state.nextRef, room: room.name, ...since };
}

function dueAct(state: State, now: number): AnyCommand | null {
  if (state.pausedUntil > now) return null;
  for (const room of inTurn(state)) {
    const act = nextAct(room, now);
    if (act !== null) return commandOf(act, room.name, state.nextRef);
  }
  return null;
}

/** Whether the person sees the end of the current room, and the server has not been told so. */
function isReading(state: State, room: Room): boolean {
  const { visible, atBottom } = state.viewed;
  return visible && atBottom && (room.position?.offset ?? 0) > room.readSent;
}

function dueSignal(state: State, now: number): AnyCommand | null {
  const room = state.rooms[state.current];
  if (room?.membership !== "live" || room.position === null) return null;
  const head = { ref: state.nextRef, room: room.name };
  if (room.typed.wanted) return { type: "typing", ...head };
  if (isReading(state, room) && room.readAt + READ_EVERY <= now) return { type: "read", ...head, ...room.position };
  if (state.probing && room.read !== null) return { type: "read", ...head, ...room.read };
  return null;
}

/** The next command to send, or null. It is not sent until a `sent` event says so. */
export function due(state: State, now: number): AnyCommand | null {
  if (state.connection.status !== "live") return null;
  const [left] = state.leaving;
  if (left !== undefined) return { type: "leave", ref: state.nextRef, room: left };
  return dueJoin(state, now) ?? dueAct(state, now) ?? dueSignal(state, now);
}

/** Whether a command has waited so long for its reply that the connection must be dead. */
export const isStale = (state: State, now: number): boolean =>
  Object.values(state.asked).some(({ at }) => now - at >= PATIENCE);

/** Times that a tick resolves, and times still to come at which a command falls due. */
function roomTimes(state: State, room: Room, now: number): number[] {
  const times = room.typists.map(({ until }) => until);
  if (state.connection.status !== "live") return times;
  const later: number[] = [];
  if (room.membership === "out") later.push(room.joinAt);
  if (room.membership === "live") {
    times.push(...room.acts.filter(({ progress }) => progress === "unknown").map(({ at }) => at + ID_SECONDS));
    if (nextAct(room, now) !== null) later.push(state.pausedUntil);
    if (room.name === state.current && isReading(state, room)) later.push(room.readAt + READ_EVERY);
  }
  return [...times, ...later.filter((time) => time > now)];
}

/** When to tick next; null if only an event can change anything. */
export function wakeAt(state: State, now: number): number | null {
  const { status, until, leaveAt } = state.connection;
  const times = Object.values(state.rooms).flatMap((room) => roomTimes(state, room, now));
  if (status === "waiting" || status === "connecting") times.push(until);
  if (status === "live" && leaveAt !== null) times.push(leaveAt);
  times.push(...Object.values(state.asked).map(({ at }) => at + PATIENCE));
  return times.length === 0 ? null : Math.min(...times);
}
