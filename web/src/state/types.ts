/** The state of the client, and everything that can happen to it. All times are seconds since 1970. */

import type {
  About,
  AnyCommand,
  AnyEntry,
  AnyPush,
  Members,
  Message,
  Position,
  Room as RoomListing,
  User,
} from "../protocol";

/** Something that this person asked for and the room's log does not show yet. */
export type Act = Posting | Amendment;
export type Amendment = Editing | Deleting | Reacting;

/**
 * queued: not on the wire; sending: awaiting its reply; unknown: the reply is lost, it may or may not have happened;
 * sent: acknowledged, its push is on the way; failed: refused; asking: too old to be tried again without being asked.
 */
export type Progress = "queued" | "sending" | "unknown" | "sent" | "failed" | "asking";

interface ActBase {
  /** The same id is the same act, however often it is sent. */
  readonly id: string;
  /** When the person did it, or last said to try again. */
  readonly at: number;
  readonly progress: Progress;
  /** Why it failed. */
  readonly reason?: string;
}

export interface Posting extends ActBase {
  readonly type: "post";
  readonly text: string;
  readonly reply_to: Position | null;
  /** Where it is in the log, once acknowledged. */
  readonly place?: Position;
}

export interface Editing extends ActBase {
  readonly type: "edit";
  readonly target: Position;
  readonly text: string;
}

export interface Deleting extends ActBase {
  readonly type: "delete";
  readonly target: Position;
}

export interface Reacting extends ActBase {
  readonly type: "react";
  readonly target: Position;
  readonly emoji: string;
  readonly on: boolean;
}

/** out: to be joined; joining: asked; replaying: pages are coming; live; refused: not to be asked again by itself. */
export type Membership = "out" | "joining" | "replaying" | "live" | "refused";

export interface Room {
  readonly name: string;
  readonly membership: Membership;
  /** The last entry of the log that `messages` includes; null: nothing that could be resumed from. */
  readonly position: Position | null;
  /** The furthest push that was passed over while a join was under way. */
  readonly heard: Position | null;
  /** In the log's order, without a gap. */
  readonly messages: readonly Message[];
  /** Whether there may be messages before the first, and how asking for them stands. */
  readonly older: "some" | "loading" | "none";
  /** Changes whose targets were not loaded, kept while older messages are being loaded: they may be about those. */
  readonly early: readonly Change[];
  readonly acts: readonly Act[];
  readonly members: Members;
  readonly typists: readonly { readonly user: User; readonly until: number }[];
  /** How far this user has read, on any connection. */
  readonly read: Position | null;
  /** The offset up to which this connection has said so, and when. */
  readonly readSent: number;
  readonly readAt: number;
  /** The offset after which the "new" line is drawn. */
  readonly newSince: number | null;
  readonly typed: { readonly wanted: boolean; readonly sentAt: number };
  /** When to ask again after a refused join, and how often that was in vain. */
  readonly joinAt: number;
  readonly joinTries: number;
  readonly refusal: string | null;
  /** The room's log could not be continued, and was loaded anew. */
  readonly broken: boolean;
}

export type Change = Exclude<AnyEntry, Message>;

/** Which server the socket goes to: the page's own, or its twin. */
export type Side = "own" | "twin";

export interface Connection {
  /**
   * checking: asking whether there is a session; idle: there is none; waiting: until `until`; ended: the server said
   * not to come back by itself.
   */
  readonly status: "checking" | "idle" | "connecting" | "live" | "waiting" | "ended";
  readonly side: Side;
  /** Counts the sockets and the checks, so that news of an old one is known as such. */
  readonly attempt: number;
  readonly until: number;
  readonly tries: number;
  readonly openedAt: number;
  /** When the connection was lost; null while it is live. */
  readonly lostAt: number | null;
  /** When a draining server wants us to be gone. */
  readonly leaveAt: number | null;
  readonly reason: string | null;
  readonly degraded: boolean;
  /** What the browser believes about its network; a hint, no more. */
  readonly online: boolean;
}

export interface Asked {
  readonly command: AnyCommand;
  readonly at: number;
}

export interface State {
  readonly user: User | null;
  /** Id of the user whose acts the rooms hold. */
  readonly author: string | null;
  readonly about: About | null;
  readonly connection: Connection;
  readonly rooms: Readonly<Record<string, Room>>;
  /** Names of the rooms in the list, newest last. */
  readonly order: readonly string[];
  readonly current: string;
  readonly leaving: readonly string[];
  readonly directory: readonly RoomListing[];
  readonly nextRef: number;
  readonly asked: Readonly<Record<number, Asked>>;
  /** No writing before this: the server said so. */
  readonly pausedUntil: number;
  readonly viewed: { readonly visible: boolean; readonly atBottom: boolean };
  /** Ask the server something soon, to see whether the connection is still alive. */
  readonly probing: boolean;
  readonly alert: string | null;
}

export type Event =
  // the session and what was found out over HTTP
  | { type: "checked"; attempt: number; status: number; user: User | null; retryAfter: number | null; at: number; chance: number }
  | { type: "entered"; user: User; at: number }
  | { type: "signed_out" }
  | { type: "about"; about: About }
  | { type: "listed"; rooms: readonly RoomListing[] }
  | { type: "older"; room: string; before: number; epoch: string; messages: readonly Message[]; more: boolean }
  | { type: "older_failed"; room: string; before: number }
  // the socket
  | { type: "opened"; attempt: number; at: number }
  | { type: "closed"; attempt: number; code: number; reason: string; at: number; chance: number }
  | { type: "received"; attempt: number; push: AnyPush; at: number; chance: number }
  | { type: "sent"; command: AnyCommand; at: number }
  | { type: "network"; online: boolean; at: number }
  | { type: "tick"; at: number }
  // the person
  | { type: "restored"; rooms: readonly string[]; acts: Readonly<Record<string, readonly Posting[]>>; author: string | null }
  | { type: "selected"; room: string }
  | { type: "left"; room: string }
  | { type: "did"; room: string; act: Act }
  | { type: "retried"; room: string; id: string; fresh: string; at: number }
  | { type: "discarded"; room: string; id: string }
  | { type: "asked_older"; room: string }
  | { type: "typed"; room: string; at: number }
  | { type: "viewed"; visible: boolean; atBottom: boolean; at: number }
  | { type: "woke" }
  | { type: "switched"; at: number }
  | { type: "reconnected"; at: number }
  | { type: "rejoined"; room: string }
  | { type: "dismissed"; what: "alert" | { room: string } };
