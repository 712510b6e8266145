/** What every event makes of the state. Pure: no DOM, no clock, no chance but what events carry. */

import type { AnyCommand, User } from "../protocol";
import { isStale } from "./due";
import { onOlder } from "./log";
import * as outbox from "./outbox";
import { reducePerson } from "./person";
import { quieten } from "./presence";
import { onReceived } from "./receive";
import * as reconnect from "./reconnect";
import { DEFAULT_ROOM, inRoom, lose, telling } from "./rooms";
import type { Connection, Event, State } from "./types";

export const INITIAL: State = {
  user: null,
  author: null,
  about: null,
  connection: reconnect.UNCONNECTED,
  rooms: {},
  order: [],
  current: DEFAULT_ROOM,
  leaving: [],
  directory: [],
  nextRef: 1,
  asked: {},
  pausedUntil: 0,
  viewed: { visible: true, atBottom: true },
  probing: false,
  alert: null,
};

const withConnection = (state: State, connection: Connection): State => ({ ...state, connection });

function signOut(state: State): State {
  const connection: Connection = { ...state.connection, status: "idle", tries: 0, lostAt: null, reason: null };
  return { ...lose(state, { ...connection, attempt: connection.attempt + 1 }), user: null };
}

/** Somebody is there: whoever was, or somebody new, who cannot try again under the ids of the former. */
function welcome(state: State, user: User): State {
  const known = state.author === null || state.author === user.id;
  const next = known ? state : state.order.reduce((so_far, name) => telling(so_far, name, outbox.disown), state);
  return { ...next, user, author: user.id };
}

function onSent(state: State, command: AnyCommand, at: number): State {
  const asked = { ...state.asked, [command.ref]: { command, at } };
  const sent: State = { ...state, asked, nextRef: command.ref + 1 };
  switch (command.type) {
    case "join":
      return inRoom(sent, command.room, (room) => ({ ...room, membership: "joining", heard: null }));
    case "leave":
      return { ...sent, leaving: sent.leaving.filter((name) => name !== command.room) };
    case "typing":
      return inRoom(sent, command.room, (room) => ({ ...room, typed: { wanted: false, sentAt: at } }));
    case "read": {
      const { epoch, offset } = command;
      const read = { read: { epoch, offset }, readSent: offset, readAt: at };
      return inRoom({ ...sent, probing: false }, command.room, (room) => ({ ...room, ...read }));
    }
    default:
      return inRoom(sent, command.room, (room) => outbox.onSent(room, command.id));
  }
}

function onTick(state: State, at: number): State {
  const { connection } = state;
  const quiet = state.order.reduce(
    (next, name) => telling(inRoom(next, name, (room) => quieten(room, at)), name, (room) => outbox.expire(room, at)),
    state,
  );
  if (connection.status === "waiting" && at >= connection.until) {
    const next = state.user === null ? reconnect.check(connection) : reconnect.connect(connection, at);
    return withConnection(quiet, next);
  }
  if (connection.status === "connecting" && at >= connection.until) {
    return lose(quiet, reconnect.check({ ...connection, lostAt: connection.lostAt ?? at }));
  }
  const leaving = connection.leaveAt !== null && at >= connection.leaveAt;
  if (connection.status === "live" && (leaving || isStale(state, at))) {
    return lose(quiet, reconnect.connect({ ...connection, lostAt: at }, at));
  }
  return quiet;
}

function onChecked(state: State, event: Extract<Event, { type: "checked" }>): State {
  const connection = reconnect.onChecked(state.connection, event, state.user !== null);
  if (event.status === 401) return { ...state, connection, user: null };
  const next = withConnection(state, connection);
  return state.user === null && event.user !== null ? welcome(next, event.user) : next;
}

function onClosed(state: State, event: Extract<Event, { type: "closed" }>): State {
  if (event.code === 4500) return signOut(state);
  return lose(state, reconnect.onClosed(state.connection, event.code, event.reason, event.at, event.chance));
}

export function reduce(state: State, event: Event): State {
  if ("attempt" in event && event.attempt !== state.connection.attempt) return state;
  switch (event.type) {
    case "checked":
      return onChecked(state, event);
    case "entered":
      return withConnection(welcome(state, event.user), reconnect.connect(state.connection, event.at));
    case "signed_out":
      return signOut(state);
    case "about":
      return { ...state, about: event.about };
    case "listed":
      return { ...state, directory: event.rooms };
    case "older":
      return inRoom(state, event.room, (room) => onOlder(room, event.before, event.epoch, event.messages, event.more));
    case "older_failed":
      return inRoom(state, event.room, (room) => (room.older === "loading" ? { ...room, older: "some", early: [] } : room));
    case "opened":
      return withConnection(state, reconnect.onOpened(state.connection, event.at));
    case "closed":
      return onClosed(state, event);
    case "received":
      return onReceived(state, event.push, event.at, event.chance);
    case "sent":
      return onSent(state, event.command, event.at);
    case "tick":
      return onTick(state, event.at);
    default:
      return reducePerson(state, event);
  }
}
