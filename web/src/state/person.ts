/** What the person does, and what the browser says of itself. */

import { discard, retry } from "./outbox";
import * as reconnect from "./reconnect";
import { enter, inRoom, leave, lose, select } from "./rooms";
import type { Act, Event, Room, State } from "./types";

/** Seconds between two "is writing" of one's own. */
const TYPING_EVERY = 3;

type Restored = Extract<Event, { type: "restored" }>;

/** A reload: what was on its way then may have arrived. */
function restore(state: State, { rooms, acts, author }: Restored): State {
  const entered = [...rooms, ...Object.keys(acts)].reduce(enter, { ...state, author });
  return entered.order.reduce((next, name) => inRoom(next, name, (room) => ({ ...room, acts: acts[name] ?? [] })), entered);
}

function type(room: Room, at: number): Room {
  if (at - room.typed.sentAt < TYPING_EVERY) return room;
  return { ...room, typed: { ...room.typed, wanted: true } };
}

/** With a post, writing has ended in the eyes of the others: the next letter is news. */
function act(room: Room, done: Act): Room {
  const typed = done.type === "post" ? { wanted: false, sentAt: 0 } : room.typed;
  return { ...room, acts: [...room.acts, done], typed };
}

function setOnline(state: State, online: boolean, at: number): State {
  const connection = { ...state.connection, online };
  const retrying = online && connection.status === "waiting" && state.user !== null;
  return { ...state, connection: retrying ? reconnect.connect(connection, at) : connection, probing: online };
}

export type PersonEvent = Extract<
  Event,
  {
    type:
      | "restored" | "selected" | "left" | "did" | "retried" | "discarded" | "asked_older" | "typed" | "viewed" | "woke"
      | "network" | "switched" | "reconnected" | "rejoined" | "dismissed";
  }
>;

export function reducePerson(state: State, event: PersonEvent): State {
  switch (event.type) {
    case "restored":
      return restore(state, event);
    case "selected":
      return select(state, event.room);
    case "left":
      return leave(state, event.room);
    case "rejoined":
      return inRoom(state, event.room, (room) => ({ ...room, membership: "out", joinAt: 0, refusal: null }));
    case "did":
      return inRoom(state, event.room, (room) => act(room, event.act));
    case "retried":
      return inRoom(state, event.room, (room) => retry(room, event.id, event.fresh, event.at));
    case "discarded":
      return inRoom(state, event.room, (room) => discard(room, event.id));
    case "asked_older":
      return inRoom(state, event.room, (room) => (room.older === "some" ? { ...room, older: "loading" } : room));
    case "typed":
      return inRoom(state, event.room, (room) => type(room, event.at));
    case "viewed":
      return { ...state, viewed: { visible: event.visible, atBottom: event.atBottom } };
    case "woke":
      return { ...state, probing: true };
    case "network":
      return setOnline(state, event.online, event.at);
    case "switched": {
      const side = state.connection.side === "own" ? "twin" : "own";
      return lose(state, reconnect.connect({ ...state.connection, side, tries: 0, lostAt: event.at }, event.at));
    }
    case "reconnected":
      return lose(state, reconnect.connect({ ...state.connection, tries: 0 }, event.at));
    case "dismissed":
      if (event.what === "alert") return { ...state, alert: null };
      return inRoom(state, event.what.room, (room) => ({ ...room, broken: false }));
  }
}
