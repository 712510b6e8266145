/** What the charts of one page share: the timeline, the window that is shown, and where the cursor is. */

import { Timeline, type Happening, type Side } from "./timeline";

export interface Span {
  from: number;
  to: number;
}

export const WINDOWS = [
  [60, "1 min"],
  [300, "5 min"],
  [900, "15 min"],
  [3600, "1 hour"],
] as const;

/** Draws anew, and says so where that was a canvas. */
type Listener = () => boolean | void;

/** Milliseconds of a frame for drawing: what does not fit is drawn in the next, and of the canvases there is one in each. */
const SHARE_MS = 8;

export class Board {
  events: readonly Happening[] = [];
  /** Labels of those that have run already while another one runs: drawn faint. */
  ghosts: ReadonlySet<string> = new Set();
  /** Seconds before the end that are shown, unless somebody zoomed. */
  window: number;
  zoom: Span | null = null;
  /** The end of what is shown while paused; null where time goes on. */
  pausedAt: number | null = null;
  /** All there is, of what has ended: shown unless somebody zoomed. */
  whole: Span | null = null;
  /** Until when a replay has come; null where all is shown. */
  until: number | null = null;
  percentile = "p99";
  /** The chart that the pointer is in and that says where the cursor is; null where it is the keys, or nobody. */
  steered: string | null = null;
  /** The moment at which the cursors of all charts are. */
  cursorAt: number | null = null;
  readonly #data = new Set<Listener>();
  readonly #cursor = new Set<Listener>();
  readonly #queue = new Set<Listener>();
  #drawing = 0;

  constructor(
    readonly timeline: Timeline,
    readonly sides: readonly Side[],
    /** Whether `t` is seconds since 1970, or seconds of a run. */
    readonly clock: "wall" | "run" = "wall",
    window = 60,
  ) {
    this.window = window;
  }

  get labels(): string[] {
    return this.sides.map((side) => side.label);
  }

  get span(): Span {
    if (this.zoom ?? this.whole) return this.zoom ?? (this.whole as Span);
    const to = this.pausedAt ?? this.timeline.t.at(-1) ?? Date.now() / 1000;
    return { from: to - this.window, to };
  }

  /** The last index that is shown. */
  get last(): number {
    const { t } = this.timeline;
    if (this.until === null && this.pausedAt === null) return t.length - 1;
    const until = Math.min(this.until ?? Infinity, this.pausedAt ?? Infinity);
    return t.findLastIndex((moment) => moment <= until);
  }

  setUntil(until: number | null): void {
    this.until = until;
    this.changed();
  }

  setWindow(seconds: number): void {
    this.window = seconds;
    this.zoom = null;
    this.changed();
  }

  setZoom(zoom: Span | null): void {
    this.zoom = zoom;
    this.changed();
  }

  setPaused(paused: boolean): void {
    this.pausedAt = paused ? (this.timeline.t.at(-1) ?? null) : null;
    if (!paused) this.zoom = null;
    this.changed();
  }

  setPercentile(percentile: string): void {
    this.percentile = percentile;
    this.changed();
  }

  /** Where that is in the timeline. */
  get cursor(): number | null {
    const { cursorAt } = this;
    if (cursorAt === null) return null;
    const index = this.timeline.t.findLastIndex((moment) => moment <= cursorAt);
    return index < 0 ? null : index;
  }

  setCursor(index: number | null): void {
    const at = index === null ? null : (this.timeline.t[index] ?? null);
    if (at === this.cursorAt) return;
    this.cursorAt = at;
    for (const listener of this.#cursor) listener();
  }

  onData(listener: Listener): () => void {
    this.#data.add(listener);
    return () => {
      this.#data.delete(listener);
      this.#queue.delete(listener);
    };
  }

  onCursor(listener: Listener): () => void {
    this.#cursor.add(listener);
    return () => void this.#cursor.delete(listener);
  }

  /** Everything is to be drawn anew, each in its turn: who waits already keeps its place, or the last would never come. */
  changed(): void {
    for (const listener of this.#data) this.soon(listener);
  }

  /** One of those that `onData` told of is to be drawn, in a frame that has time for it. */
  soon(listener: Listener): void {
    this.#queue.add(listener);
    if (this.#drawing === 0) this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    const until = performance.now() + SHARE_MS;
    for (const listener of this.#queue) {
      this.#queue.delete(listener);
      if (listener() === true || performance.now() > until) break;
    }
    this.#drawing = this.#queue.size > 0 ? requestAnimationFrame(() => this.#draw()) : 0;
  }
}
