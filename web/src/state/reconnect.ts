/** When to connect, to which side, and when to give up. */

import { backoff } from "../backoff";
import { DISCONNECTS } from "../protocol";
import type { Connection } from "./types";

/** Seconds after which a connection attempt, or a command without a reply, counts as lost. */
export const PATIENCE = 10;
/** Seconds that a connection must have lived for the next loss to count as a first one. */
const STEADY = 5;

export const UNCONNECTED: Connection = {
  status: "checking",
  side: "own",
  attempt: 1,
  until: 0,
  tries: 0,
  openedAt: 0,
  lostAt: null,
  leaveAt: null,
  reason: null,
  degraded: false,
  online: true,
};

export function connect(connection: Connection, at: number): Connection {
  const attempt = connection.attempt + 1;
  return { ...connection, status: "connecting", attempt, until: at + PATIENCE, leaveAt: null, reason: null, degraded: false };
}

/** Ask whether there is still a session: a browser is not told why a socket could not be opened. */
export const check = (connection: Connection): Connection => ({
  ...connection,
  status: "checking",
  attempt: connection.attempt + 1,
  tries: connection.tries + 1,
});

function waitFor(connection: Connection, until: number): Connection {
  return { ...connection, status: "waiting", until, leaveAt: null, degraded: false };
}

function retreat(connection: Connection, at: number, chance: number): Connection {
  const lostAt = connection.lostAt ?? at;
  return { ...waitFor(connection, at + backoff(connection.tries, at - lostAt, chance)), lostAt };
}

export const onOpened = (connection: Connection, at: number): Connection => ({
  ...connection,
  status: "live",
  openedAt: at,
  lostAt: null,
});

/** Whether the code asks a client to come back by itself: by the table, else by its range. */
export const isReconnectable = (code: number): boolean =>
  DISCONNECTS[code]?.reconnectable ?? !(code >= 4500 && code <= 4999);

export function onClosed(connection: Connection, code: number, reason: string, at: number, chance: number): Connection {
  const lost = { ...connection, lostAt: connection.lostAt ?? at };
  if (!isReconnectable(code)) {
    const why = reason || DISCONNECTS[code]?.reason || `closed with code ${code}`;
    return { ...lost, status: "ended", reason: why, leaveAt: null, degraded: false };
  }
  if (connection.status === "connecting") return check(lost);
  if (connection.leaveAt !== null) return waitFor(lost, Math.max(at, connection.leaveAt) + chance / 4);
  const tries = at - connection.openedAt < STEADY ? connection.tries + 1 : 0;
  return retreat({ ...lost, tries }, at, chance);
}

/** What `GET /api/session` said of a session that we have, or of none: 0 where it said nothing. */
export function onChecked(
  connection: Connection,
  answer: { status: number; retryAfter: number | null; at: number; chance: number },
  known: boolean,
): Connection {
  const { status, retryAfter, at, chance } = answer;
  if (status === 401) return { ...connection, status: "idle", tries: 0, lostAt: null };
  if (status === 200 && !known) return connect(connection, at);
  if (status === 503 && retryAfter !== null && connection.side === "own") {
    return { ...waitFor(connection, at + retryAfter + chance), lostAt: connection.lostAt ?? at };
  }
  return retreat(known ? connection : { ...connection, tries: connection.tries + 1 }, at, chance);
}
