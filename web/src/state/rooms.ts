/** The rooms in the state: finding one, changing one, entering and leaving. */

import { NOBODY } from "./presence";
import { onLost } from "./outbox";
import type { Connection, Room, State } from "./types";

export const DEFAULT_ROOM = "lobby";

const newRoom = (name: string): Room => ({
  name,
  membership: "out",
  position: null,
  heard: null,
  messages: [],
  older: "none",
  early: [],
  acts: [],
  members: NOBODY,
  typists: [],
  read: null,
  readSent: 0,
  readAt: 0,
  newSince: null,
  typed: { wanted: false, sentAt: 0 },
  joinAt: 0,
  joinTries: 0,
  refusal: null,
  broken: false,
});

export function inRoom(state: State, name: string, change: (room: Room) => Room): State {
  const room = state.rooms[name];
  if (room === undefined) return state;
  const next = change(room);
  return next === room ? state : { ...state, rooms: { ...state.rooms, [name]: next } };
}

/** As inRoom, for changes that also have something to tell the person. */
export function telling(state: State, name: string, change: (room: Room) => [Room, string | null]): State {
  let told: string | null = null;
  const next = inRoom(state, name, (room) => {
    const [changed, message] = change(room);
    told = message;
    return changed;
  });
  return told === null ? next : { ...next, alert: told };
}

export const inEveryRoom = (state: State, change: (room: Room) => Room): State =>
  state.order.reduce((next, name) => inRoom(next, name, change), state);

/** The socket is gone: nobody is a member of anything, and no reply will come. */
export function lose(state: State, connection: Connection): State {
  const lost = (room: Room): Room => ({
    ...onLost(room),
    membership: "out",
    heard: null,
    typists: [],
    typed: { ...room.typed, wanted: false },
    joinAt: 0,
    joinTries: 0,
  });
  return { ...inEveryRoom(state, lost), connection, asked: {}, leaving: [], pausedUntil: 0, probing: false };
}

export function enter(state: State, name: string): State {
  if (state.rooms[name] !== undefined) return state;
  return { ...state, rooms: { ...state.rooms, [name]: newRoom(name) }, order: [...state.order, name] };
}

export function select(state: State, name: string): State {
  const entered = { ...enter(state, name), current: name };
  if (state.current === name) return entered;
  return inRoom(entered, name, (room) => {
    const read = room.read?.offset ?? 0;
    const fresh = room.messages.find(({ offset, user }) => offset > read && user.id !== state.user?.id);
    return { ...room, newSince: fresh ? fresh.offset - 1 : null };
  });
}

export function leave(state: State, name: string): State {
  const { [name]: left, ...rooms } = state.rooms;
  if (left === undefined) return state;
  const order = state.order.filter((other) => other !== name);
  const member = state.connection.status === "live" && left.membership !== "out" && left.membership !== "refused";
  const leaving = member ? [...state.leaving, name] : state.leaving;
  const remaining = { ...state, rooms, order, leaving };
  return state.current === name ? select(remaining, order.at(-1) ?? DEFAULT_ROOM) : remaining;
}
