/** Everything that charts draw: columns over one time axis, live and stored alike. */

export interface Side {
  label: string;
  title: string;
  model: "asgi" | "wsgi" | "other";
}

export interface Happening {
  id: number;
  t: number;
  until: number | null;
  kind: "phase" | "fault" | "note";
  name: string;
  detail: string;
  /** Of one side only. */
  label?: string;
}

/** Rows of the latency heatmap with counts, sparse. */
export type Heat = readonly (readonly [row: number, count: number])[];

export interface Sample {
  state: string;
  workers: readonly [number, number];
  m: Readonly<Record<string, number>>;
  heat: Heat;
  closes: Readonly<Record<string, number>>;
}

export interface Tick {
  t: number;
  sides: Readonly<Record<string, Sample>>;
  redis: { state: string; m: Readonly<Record<string, number>> };
  generator?: { cpu: number; lag: number };
}

export type Column = (number | null)[];

/** What concerns both sides at once has columns of its own. */
export const SHARED = "shared";
const KEPT = 3600;

export class Timeline {
  readonly t: number[] = [];
  readonly states = new Map<string, string[]>();
  readonly heat = new Map<string, Heat[]>();
  readonly closes = new Map<string, Readonly<Record<string, number>>[]>();
  #columns = new Map<string, Column>();

  column(label: string, metric: string): Column {
    const key = `${label}.${metric}`;
    let column = this.#columns.get(key);
    if (column === undefined) {
      column = new Array<number | null>(this.t.length).fill(null);
      this.#columns.set(key, column);
    }
    return column;
  }

  has(label: string, metric: string): boolean {
    return this.#columns.get(`${label}.${metric}`)?.some((value) => value !== null) ?? false;
  }

  latest(label: string, metric: string): number | null {
    return this.#columns.get(`${label}.${metric}`)?.at(-1) ?? null;
  }

  state(label: string): string {
    return this.states.get(label)?.at(-1) ?? "unknown";
  }

  append(tick: Tick): void {
    if (tick.t <= (this.t.at(-1) ?? -Infinity)) return;
    // A hole in time is shown as one: lines do not cross it.
    const before = this.t.at(-1);
    if (before !== undefined && tick.t > before + 5) this.#grow(before + 1);
    this.#grow(tick.t);
    const at = this.t.length - 1;
    for (const [label, sample] of Object.entries(tick.sides)) {
      for (const [metric, value] of Object.entries(sample.m)) this.column(label, metric)[at] = value;
      this.#list(this.states, label, "unknown")[at] = sample.state;
      this.#list(this.heat, label, [] as Heat)[at] = sample.heat;
      this.#list(this.closes, label, {})[at] = sample.closes;
    }
    for (const [metric, value] of Object.entries(tick.redis.m)) this.column(SHARED, `redis.${metric}`)[at] = value;
    this.#list(this.states, "redis", "unknown")[at] = tick.redis.state;
    if (tick.generator) {
      this.column(SHARED, "generator.cpu")[at] = tick.generator.cpu;
      this.column(SHARED, "generator.lag")[at] = tick.generator.lag;
    }
    this.#trim();
  }

  /** Add a moment at which nothing is known yet. */
  #grow(t: number): void {
    this.t.push(t);
    for (const column of this.#columns.values()) column.push(null);
    for (const list of this.states.values()) list.push("unknown");
    for (const list of this.heat.values()) list.push([]);
    for (const list of this.closes.values()) list.push({});
  }

  #list<Value>(lists: Map<string, Value[]>, label: string, nothing: Value): Value[] {
    let list = lists.get(label);
    if (list === undefined) {
      list = new Array<Value>(this.t.length).fill(nothing);
      lists.set(label, list);
    }
    return list;
  }

  #trim(): void {
    if (this.t.length <= KEPT + 60) return;
    const over = this.t.length - KEPT;
    this.t.splice(0, over);
    for (const column of this.#columns.values()) column.splice(0, over);
    for (const list of [...this.states.values(), ...this.heat.values(), ...this.closes.values()]) list.splice(0, over);
  }
}
