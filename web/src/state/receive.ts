/** What a server sends: replies to what was asked, and pushes. */

import { backoff } from "../backoff";
import type { AnyCommand, AnyPush, CommitResult, JoinResult, Notice, Refusal, Reply } from "../protocol";
import { onEntry, onJoined, onReplay, onReset, trim } from "./log";
import * as outbox from "./outbox";
import { onPresence, onTyping } from "./presence";
import { inEveryRoom, inRoom, telling } from "./rooms";
import type { Room, State } from "./types";

function onJoinRefused(room: Room, refusal: Refusal, at: number, chance: number): Room {
  if (refusal.code !== "unavailable" && refusal.code !== "rate_limited") {
    return { ...room, membership: "refused", refusal: refusal.message };
  }
  const wait = refusal.retry_after ?? 0.25 + backoff(room.joinTries, 0, chance);
  return { ...room, membership: "out", joinAt: at + wait, joinTries: room.joinTries + 1 };
}

function onRefused(state: State, command: AnyCommand, refusal: Refusal, at: number, chance: number): State {
  switch (command.type) {
    case "join":
      return inRoom(state, command.room, (room) => onJoinRefused(room, refusal, at, chance));
    case "post":
    case "edit":
    case "delete":
    case "react": {
      const pause = refusal.code === "rate_limited" ? at + (refusal.retry_after ?? 1) : state.pausedUntil;
      const paused = { ...state, pausedUntil: pause };
      return telling(paused, command.room, (room) => outbox.onRefused(room, command.id, refusal));
    }
    default:
      return state;
  }
}

function onReply(state: State, reply: Reply, at: number, chance: number): State {
  const asked = reply.ref === null ? undefined : state.asked[reply.ref];
  if (asked === undefined) return state;
  const { [asked.command.ref]: _, ...others } = state.asked;
  const answered = { ...state, asked: others };
  const { command } = asked;
  if (reply.error) return onRefused(answered, command, reply.error, at, chance);
  switch (command.type) {
    case "join":
      return inRoom(answered, command.room, (room) =>
        room.membership === "joining" ? onJoined(room, reply.result as JoinResult, Boolean(command.since)) : room,
      );
    case "post":
    case "edit":
    case "delete":
    case "react":
      return inRoom(answered, command.room, (room) => outbox.onCommitted(room, command.id, reply.result as CommitResult));
    default:
      return answered;
  }
}

function onNotice(state: State, { notice, reconnect_in }: Notice, at: number): State {
  const { connection } = state;
  switch (notice) {
    case "degraded":
      return { ...state, connection: { ...connection, degraded: true } };
    case "restored":
      return inEveryRoom({ ...state, connection: { ...connection, degraded: false } }, (room) =>
        room.membership === "out" ? { ...room, joinAt: 0, joinTries: 0 } : room,
      );
    case "draining":
      return { ...state, connection: { ...connection, leaveAt: at + (reconnect_in ?? 0) } };
  }
}

function onPush(state: State, push: AnyPush, at: number, chance: number): State {
  switch (push.type) {
    case "reply":
      return onReply(state, push, at, chance);
    case "notice":
      return onNotice(state, push, at);
    case "replay":
      return inRoom(state, push.room, (room) => onReplay(room, push));
    case "reset":
      return inRoom(state, push.room, onReset);
    case "presence":
      return inRoom(state, push.room, (room) => onPresence(room, push));
    case "typing":
      return push.user.id === state.user?.id ? state : inRoom(state, push.room, (room) => onTyping(room, push.user, at));
    case "read":
      return inRoom(state, push.room, (room) => {
        const further = room.read?.epoch !== push.epoch || push.offset > room.read.offset;
        return further ? { ...room, read: { epoch: push.epoch, offset: push.offset } } : room;
      });
    case "message":
    case "edited":
    case "deleted":
    case "reacted":
      return inRoom(state, push.room, (room) => onEntry(room, push));
    default:
      return state; // of a newer server
  }
}

/** What follows once a room has taken in a frame. */
function tidy(state: State, name: string, at: number): State {
  const expired = telling(state, name, (room) => outbox.expire(room, at));
  const reading = name === state.current && !state.viewed.atBottom;
  return reading ? expired : inRoom(expired, name, trim);
}

export function onReceived(state: State, push: AnyPush, at: number, chance: number): State {
  const ref = push.type === "reply" ? push.ref : null;
  const name = "room" in push ? push.room : ref !== null && state.asked[ref]?.command.room;
  const next = onPush(state, push, at, chance);
  return name ? tidy(next, name, at) : next;
}
