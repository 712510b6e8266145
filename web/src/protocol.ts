// Generated from frames, disconnects and api of chat_core by `python -m web.generate`. Do not edit.
// A field with `?` may be absent; what a client sends may leave it out.

/** What a room may be called. */
export const ROOM_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Why a connection ends, by close code. */
export const DISCONNECTS: Readonly<Record<number, { reason: string; reconnectable: boolean }>> = {
  1000: { reason: "closed by the client", reconnectable: true },
  1002: { reason: "not a valid WebSocket frame", reconnectable: false },
  1003: { reason: "binary frames are not accepted", reconnectable: false },
  1006: { reason: "connection lost", reconnectable: true },
  1007: { reason: "not valid UTF-8", reconnectable: false },
  1009: { reason: "frame larger than the limit", reconnectable: false },
  1011: { reason: "internal error", reconnectable: true },
  1012: { reason: "server restarts, come back", reconnectable: true },
  4000: { reason: "slow consumer", reconnectable: true },
  4001: { reason: "no sign of life", reconnectable: true },
  4500: { reason: "session expired, ask for a new one", reconnectable: false },
  4501: { reason: "too many refused commands", reconnectable: false },
};

/** A place in a room's log. An offset means nothing without its epoch. */
export interface Position {
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
}

/** Who did it. Names are not unique; the id tells people apart. */
export interface User {
  id: string;
  name: string;
}

/** What a client asks. */
export interface Command {
  type: string;
  /** chosen by the client, returned in the one reply */
  ref: number;
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
}

/** Become a member; with ``since``, resume from there. Joining again starts over. */
export interface Join extends Command {
  type: "join";
  since?: Position | null;
}

/** Stop being a member, at once. */
export interface Leave extends Command {
  type: "leave";
}

/** Write a message. */
export interface Post extends Command {
  type: "post";
  /** made by the client; the same id is the same act */
  id: string;
  text: string;
  reply_to?: Position | null;
}

/** Replace the text of one's own message. */
export interface Edit extends Command {
  type: "edit";
  /** made by the client; the same id is the same act */
  id: string;
  target: Position;
  text: string;
}

/** Take back one's own message; its text never leaves the server again. */
export interface Delete extends Command {
  type: "delete";
  /** made by the client; the same id is the same act */
  id: string;
  target: Position;
}

/** Put an emoji on a message, or take it off. */
export interface React extends Command {
  type: "react";
  /** made by the client; the same id is the same act */
  id: string;
  target: Position;
  emoji: string;
  on?: boolean;
}

/** Say that one is writing; good for about five seconds. */
export interface Typing extends Command {
  type: "typing";
}

/** Say how far one has read; never goes back. */
export interface Read extends Command {
  type: "read";
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
}

/** One entry of a room's log. */
export interface Entry {
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
  /** seconds since 1970, by the clock of Redis */
  at: number;
  /** made by the client; the same id is the same act */
  id: string;
  user: User;
}

/** A message. In history: its last text, or null once deleted. */
export interface Message extends Entry {
  type: "message";
  text: string | null;
  reply_to?: Position | null;
  edited_at?: number | null;
  /** emoji to the ids of the users who put it */
  reactions?: Record<string, string[]> | null;
}

/** A message's text was replaced. In a replay: the last text, or null where the message was deleted since. */
export interface Edited extends Entry {
  type: "edited";
  target: Position;
  text: string | null;
}

/** A message was taken back. */
export interface Deleted extends Entry {
  type: "deleted";
  target: Position;
}

/** A reaction was put on a message or taken off. */
export interface Reacted extends Entry {
  type: "reacted";
  target: Position;
  emoji: string;
  on: boolean;
}

/** Who is here: all of them, or above 200 a count and a sample. */
export interface Members {
  count: number;
  users: User[];
  sampled: boolean;
}

/** The room as of ``offset``. With ``more``, ``replay`` pushes follow until one says ``more: false``. */
export interface JoinResult {
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
  /** true: `messages` continue from `since` without a gap; false: they are the newest */
  recovered: boolean;
  messages: AnyEntry[];
  more: boolean;
  members: Members;
  read: Position | null;
}

/** Where the entry is in the log. ``duplicate``: it was there already, under the same id. */
export interface CommitResult {
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
  duplicate: boolean;
}

/** Done, and nothing to say. */
export interface Empty {}

/** Why a command was not carried out. ``unavailable`` alone leaves the outcome unknown. */
export interface Refusal {
  code: "malformed" | "too_long" | "not_joined" | "forbidden" | "gone" | "stale_epoch" | "id_conflict" | "rate_limited" | "unavailable";
  message: string;
  /** seconds; with rate_limited */
  retry_after?: number | null;
}

/** The one answer to a command: ``result`` or ``error``. ``ref`` is null where none could be read. */
export interface Reply {
  type: "reply";
  ref: number | null;
  result?: JoinResult | CommitResult | Empty | null;
  error?: Refusal | null;
}

/** The next page of what was missed. */
export interface Replay {
  type: "replay";
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  messages: AnyEntry[];
  more: boolean;
}

/** What was missed cannot be had, and membership has ended: join again without ``since``. */
export interface Reset {
  type: "reset";
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
}

/** Who is here now: ``members`` replaces all that was known; ``joins`` and ``leaves`` change it. */
export interface PresencePush {
  type: "presence";
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  members?: Members | null;
  count: number;
  joins?: User[];
  /** ids of users */
  leaves?: string[];
}

/** Somebody is writing. */
export interface TypingPush {
  type: "typing";
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  user: User;
}

/** This user has read up to here, on another of their connections. */
export interface ReadPush {
  type: "read";
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  /** names one unbroken life of a room's log */
  epoch: string;
  /** place in the room's log, from 1 */
  offset: number;
}

/** The state of the service: delivery ``degraded`` or ``restored``; ``draining``: reconnect in that many seconds. */
export interface Notice {
  type: "notice";
  notice: "degraded" | "restored" | "draining";
  reconnect_in?: number | null;
}

export type AnyCommand =
  | Join
  | Leave
  | Post
  | Edit
  | Delete
  | React
  | Typing
  | Read;

export type AnyEntry =
  | Message
  | Edited
  | Deleted
  | Reacted;

export type AnyPush =
  | Message
  | Edited
  | Deleted
  | Reacted
  | Replay
  | Reset
  | PresencePush
  | TypingPush
  | ReadPush
  | Notice
  | Reply;

/** Who the request is from. */
export interface CurrentSession {
  user: User;
  moderator: boolean;
  /** seconds since 1970 */
  expires_at: number;
}

/** A new session. The token is also in the cookie; it goes into `Authorization: Bearer`, never into an address. */
export interface IssuedSession extends CurrentSession {
  token: string;
}

/** A room, and when something last happened in it. */
export interface Room {
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  name: string;
  /** seconds since 1970, by the clock of Redis */
  active_at: number;
}

/** The rooms, newest activity first. */
export interface Rooms {
  rooms: Room[];
}

/** Messages in the room's order. `more`: there are further ones in the direction that was asked for. */
export interface MessagePage {
  /** 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit */
  room: string;
  /** names one unbroken life of a room's log */
  epoch: string;
  messages: Message[];
  more: boolean;
}

/** The same chat on the other backend. */
export interface Twin {
  label: string;
  /** `:port` on the host of the page, `/path` of its origin, or an absolute address */
  address: string;
}

/** What answers here. */
export interface About {
  backend: "async" | "sync";
  label: string;
  twin: Twin | null;
  version: string;
}
