/** The line to the monitor: all it knows once, then what it learns; and the buttons. */

import { Board } from "./board";
import { Timeline, type Happening, type Side, type Tick } from "./timeline";

export interface Act {
  name: string;
  title: string;
  explanation: string;
}

export interface Judged {
  text: string;
  held: boolean;
  detail: string;
}

export interface Card {
  id: number;
  act: string;
  title: string;
  t: number;
  seconds: number;
  error: string;
  sides: Readonly<Record<string, { held: boolean; promises: readonly Judged[] }>>;
}

export interface Size {
  members: number;
  rooms: number;
  rate: number;
  seconds: number;
}

/** A side with its address, as the monitor reaches it. */
export interface Address extends Side {
  url: string;
}

export interface MonitorState {
  owned: boolean;
  sides: readonly Address[];
  acts: readonly Act[];
  underWay: string | null;
  load: Size | null;
  events: readonly Happening[];
  cards: readonly Card[];
  scenarios: readonly { name: string; title: string }[];
  measuring: { scenario: string } | null;
  /** What it does now, or how the last one ended. */
  measured: string;
}

export class Refused extends Error {}

const AGAIN_MS = 1000;
/** Without a tick for this long, the monitor is as good as gone. */
const SILENT_MS = 3500;

export class Live {
  state: MonitorState | null = null;
  board: Board | null = null;
  connected = false;
  #token = "";
  #source: EventSource | null = null;
  #heard = 0;
  readonly #listeners = new Set<() => void>();

  constructor() {
    void this.#begin();
    setInterval(() => {
      if (this.connected && performance.now() - this.#heard > SILENT_MS) this.#lost();
    }, 500);
  }

  /** Be told of all but the ticks: whoever draws those listens to the board. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  act(name: string): Promise<void> {
    return this.#ask("POST", `acts/${name}`);
  }

  startLoad(size: Partial<Size>): Promise<void> {
    return this.#ask("POST", "load", size);
  }

  stopLoad(): Promise<void> {
    return this.#ask("DELETE", "load");
  }

  measure(order: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#ask("POST", "measurement", order);
  }

  stopMeasuring(): Promise<void> {
    return this.#ask("DELETE", "measurement");
  }

  async #ask(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await fetch(`api/monitor/${path}`, {
      method,
      headers: { "X-Tandem-Token": this.#token, "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    }).catch(() => null);
    if (answer === null) throw new Refused("The monitor does not answer.");
    if (answer.ok) return;
    const told = (await answer.json().catch(() => null)) as { detail?: string } | null;
    throw new Refused(told?.detail ?? `The monitor answers ${answer.status}.`);
  }

  async #begin(): Promise<void> {
    const answer = await fetch("api/monitor").catch(() => null);
    const all = answer?.ok ? ((await answer.json()) as { ticks: Tick[]; state: MonitorState & { token: string } }) : null;
    if (all === null) {
      setTimeout(() => void this.#begin(), AGAIN_MS);
      return;
    }
    this.#token = all.state.token;
    this.#learn(all.state);
    for (const tick of all.ticks) this.board?.timeline.append(tick);
    this.board?.changed();
    this.#listen();
  }

  #listen(): void {
    this.#source?.close();
    const source = new EventSource("api/monitor/live");
    this.#source = source;
    source.addEventListener("message", (event: MessageEvent<string>) => {
      this.#heard = performance.now();
      const tick = JSON.parse(event.data) as Tick;
      this.board?.timeline.append(tick);
      this.board?.changed();
      this.#reached();
    });
    source.addEventListener("state", (event: MessageEvent<string>) => {
      this.#heard = performance.now();
      this.#reached();
      this.#learn(JSON.parse(event.data) as MonitorState);
    });
    // It may be another monitor that comes back, with another token and another hour.
    source.addEventListener("error", () => this.#lost());
  }

  #reached(): void {
    if (this.connected) return;
    this.connected = true;
    this.#tell();
  }

  #lost(): void {
    this.connected = false;
    this.#source?.close();
    this.#source = null;
    this.#tell();
    setTimeout(() => void this.#begin(), AGAIN_MS);
  }

  #learn(state: MonitorState): void {
    const labels = state.sides.map((side) => side.label).join();
    if (this.board === null || this.board.labels.join() !== labels) {
      this.board = new Board(this.board?.timeline ?? new Timeline(), state.sides);
    }
    this.board.events = state.events;
    this.state = state;
    this.board.changed();
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
