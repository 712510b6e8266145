import { INITIAL, reduce } from "./state/reduce";
import type { Event, State } from "./state/types";

/** Holds the state; whoever listens is told after every event that changed it. */
export class Store {
  #state: State = INITIAL;
  readonly #listeners = new Set<() => void>();

  get state(): State {
    return this.#state;
  }

  readonly dispatch = (event: Event): void => {
    const before = this.#state;
    this.#state = reduce(before, event);
    if (this.#state !== before) for (const listener of this.#listeners) listener();
  };

  /** Returns how to stop listening. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export const now = (): number => Date.now() / 1000;
