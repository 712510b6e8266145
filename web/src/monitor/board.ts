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

type Listener = () => void;

export class Board {
  events: readonly Happening[] = [];
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
  /** Index into the timeline where the pointer is. */
  cursor: number | null = null;
  readonly #data = new Set<Listener>();
  readonly #cursor = new Set<Listener>();
  #queue: Listener[] = [];
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

  setCursor(index: number | null): void {
    if (index === this.cursor) return;
    this.cursor = index;
    for (const listener of this.#cursor) listener();
  }

  onData(listener: Listener): () => void {
    this.#data.add(listener);
    return () => void this.#data.delete(listener);
  }

  onCursor(listener: Listener): () => void {
    this.#cursor.add(listener);
    return () => void this.#cursor.delete(listener);
  }

  /** Something is to be drawn anew: one chart per frame, so that no frame takes long. */
  changed(): void {
    this.#queue = [...this.#data];
    if (this.#drawing || document.hidden) return;
    const draw = () => {
      for (const listener of this.#queue.splice(0, 1)) listener();
      this.#drawing = this.#queue.length > 0 ? requestAnimationFrame(draw) : 0;
    };
    this.#drawing = requestAnimationFrame(draw);
  }
}
