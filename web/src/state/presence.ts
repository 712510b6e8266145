/** Who is here and who is writing. */

import type { Members, PresencePush, User } from "../protocol";
import type { Room } from "./types";

/** Seconds that a typing push is good for. */
const TYPING_SECONDS = 5;

export const NOBODY: Members = { count: 0, users: [], sampled: false };

export function onPresence(room: Room, push: PresencePush): Room {
  if (push.members) return { ...room, members: push.members };
  const { joins = [], leaves = [], count } = push;
  const gone = new Set([...leaves, ...joins.map(({ id }) => id)]);
  const users = [...room.members.users.filter(({ id }) => !gone.has(id)), ...joins];
  return { ...room, members: { count, users, sampled: users.length < count } };
}

export function onTyping(room: Room, user: User, at: number): Room {
  const others = room.typists.filter((typist) => typist.user.id !== user.id);
  return { ...room, typists: [...others, { user, until: at + TYPING_SECONDS }] };
}

export function quieten(room: Room, now: number): Room {
  if (room.typists.every(({ until }) => until > now)) return room;
  return { ...room, typists: room.typists.filter(({ until }) => until > now) };
}
