/**
 * The only place that touches sockets and timers: it makes the world match the state.
 *
 * The state says which attempt is current and what it should be doing; `reconcile` opens, closes and sends accordingly,
 * and everything that happens comes back as an event that names the attempt it belongs to.
 */

import { baseOf, ownBase, socketOf } from "./address";
import { ApiError, getSession } from "./api";
import type { AnyPush } from "./protocol";
import { due, wakeAt } from "./state/due";
import type { State } from "./state/types";
import { now, type Store } from "./store";

const GOING_AWAY = 1000;

export class Connector {
  readonly #store: Store;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;

  constructor(store: Store) {
    this.#store = store;
    store.subscribe(() => this.reconcile());
  }

  /** Bring socket, timer and outgoing commands in line with the state. Its own events call it again: hence the guard. */
  reconcile(): void {
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.#start();
      this.#send();
    } finally {
      this.#busy = false;
    }
    this.#wake();
  }

  #start(): void {
    const { connection } = this.#store.state;
    if (connection.status === "waiting" || connection.status === "ended") this.#drop();
    if (connection.attempt === this.#attempt) return;
    this.#drop();
    this.#attempt = connection.attempt;
    if (connection.status === "connecting") this.#open(connection.attempt);
    if (connection.status === "checking") void this.#check(connection.attempt);
  }

  #send(): void {
    for (;;) {
      const at = now();
      const command = due(this.#store.state, at);
      if (command === null || this.#socket?.readyState !== WebSocket.OPEN) return;
      this.#socket.send(JSON.stringify(command));
      this.#store.dispatch({ type: "sent", command, at });
    }
  }

  #wake(): void {
    clearTimeout(this.#timer);
    const at = wakeAt(this.#store.state, now());
    if (at === null) return;
    const delay = Math.max(0, at - now()) * 1000 + 1;
    this.#timer = setTimeout(() => {
      this.#store.dispatch({ type: "tick", at: now() });
      this.reconcile();
    }, delay);
  }

  #open(attempt: number): void {
    const socket = new WebSocket(socketOf(endpoint(this.#store.state)));
    const { dispatch } = this.#store;
    socket.onopen = () => dispatch({ type: "opened", attempt, at: now() });
    socket.onclose = ({ code, reason }) =>
      dispatch({ type: "closed", attempt, code, reason, at: now(), chance: Math.random() });
    socket.onmessage = ({ data }) => {
      const push = JSON.parse(data as string) as AnyPush;
      dispatch({ type: "received", attempt, push, at: now(), chance: Math.random() });
    };
    this.#socket = socket;
  }

  /** Let go of a socket that the state has given up; it may be half-open, so nobody waits for its end. */
  #drop(): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(GOING_AWAY);
  }

  async #check(attempt: number): Promise<void> {
    const answer = await getSession().then(
      ({ user }) => ({ status: 200, user, retryAfter: null }),
      (error: unknown) => {
        const { status, retryAfter } = error instanceof ApiError ? error : new ApiError(0, String(error));
        return { status, user: null, retryAfter };
      },
    );
    this.#store.dispatch({ type: "checked", attempt, ...answer, at: now(), chance: Math.random() });
  }
}

/** The base of the backend that the socket goes to. */
export function endpoint({ about, connection }: State): string {
  const twin = connection.side === "twin" ? about?.twin : null;
  return twin ? baseOf(twin.address, location) : ownBase(location);
}
