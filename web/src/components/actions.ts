/** What the components can make happen. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { deleteSession } from "../api";
import { listRooms, loadOlder } from "../page";
import type { Message, Position } from "../protocol";
import type { Amendment } from "../state/types";
import { now, type Store } from "../store";

/** A fresh id for an act. Not randomUUID: that is missing where the page comes over plain HTTP from another host. */
const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Actions {
  constructor(readonly store: Store) {}

  get #act(): { id: string; at: number; progress: "queued" } {
    return { id: newId(), at: now(), progress: "queued" };
  }

  post(room: string, text: string, reply_to: Position | null): void {
    this.store.dispatch({ type: "did", room, act: { ...this.#act, type: "post", text, reply_to } });
  }

  edit(message: Message, text: string): void {
    this.#amend(message, (target) => ({ ...this.#act, type: "edit", target, text }));
  }

  delete(message: Message): void {
    this.#amend(message, (target) => ({ ...this.#act, type: "delete", target }));
  }

  react(message: Message, emoji: string, on: boolean): void {
    this.#amend(message, (target) => ({ ...this.#act, type: "react", target, emoji, on }));
  }

  #amend({ room, epoch, offset }: Message, act: (target: Position) => Amendment): void {
    this.store.dispatch({ type: "did", room, act: act({ epoch, offset }) });
  }

  retry(room: string, id: string): void {
    this.store.dispatch({ type: "retried", room, id, fresh: newId(), at: now() });
  }

  discard(room: string, id: string): void {
    this.store.dispatch({ type: "discarded", room, id });
  }

  typed(room: string): void {
    this.store.dispatch({ type: "typed", room, at: now() });
  }

  viewed(atBottom: boolean): void {
    const visible = document.visibilityState === "visible";
    const { viewed } = this.store.state;
    if (viewed.atBottom === atBottom && viewed.visible === visible) return;
    this.store.dispatch({ type: "viewed", visible, atBottom, at: now() });
  }

  older(room: string): void {
    void loadOlder(this.store, room);
  }

  leave(room: string): void {
    this.store.dispatch({ type: "left", room });
  }

  rejoin(room: string): void {
    this.store.dispatch({ type: "rejoined", room });
  }

  listRooms(): void {
    void listRooms(this.store);
  }

  switchBackend(): void {
    this.store.dispatch({ type: "switched", at: now() });
  }

  reconnect(): void {
    this.store.dispatch({ type: "reconnected", at: now() });
  }

  dismiss(what: "alert" | { room: string }): void {
    this.store.dispatch({ type: "dismissed", what });
  }

  signOut(): void {
    this.store.dispatch({ type: "signed_out" });
    void deleteSession().catch(() => undefined); // the page has forgotten it in any case
  }
}

export const ActionsContext = createContext<Actions | null>(null);

export function useActions(): Actions {
  const actions = useContext(ActionsContext);
  if (actions === null) throw new Error("used outside of App");
  return actions;
}
