/** A run as `loadtest` stores it (loadtest/record/models.py), as charts draw it. */

import { Board } from "./board";
import { Timeline, type Happening, type Heat, type Side, type Tick } from "./timeline";

interface Latency {
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
  buckets: readonly (readonly [number, number])[];
}

interface Second {
  t: number;
  label: string;
  repeat: number;
  connections: { planned: number; handshaking: number; open: number; refused: number };
  messages: { planned: number; acknowledged: number };
  deliveries: number;
  recovered?: number;
  delivery: Latency;
  handshake?: Latency;
  http?: Latency;
  ledger: { lost: number; duplicated: number; corrupt: number };
  closes: Record<string, number>;
  generator: { cpu: number; send_lag_p99: number | null };
}

interface ServerSample {
  t: number;
  label: string;
  repeat: number;
  processes: readonly {
    role: string;
    cpu: number;
    rss: number;
    threads: number;
    fds: number | null;
    voluntary: number;
    involuntary: number;
    connections?: number | null;
  }[];
  redis: { ops: number } | null;
  values?: Readonly<Record<string, number>>;
  scheduler_lag: { p50: number | null; p99: number | null; max: number | null } | null;
}

interface RunEvent extends Omit<Happening, "id"> {
  label: string;
  repeat: number;
}

export interface Verdict {
  validity: "valid" | "void";
  reasons: readonly string[];
  outcome: string;
  headline: string;
  objectives: readonly { label: string; name: string; value: number | null; limit: string; held: boolean }[];
  /** Of runs that were stored before hypotheses were figures there is none. */
  hypothesis?: readonly { text: string; found: string; expected: string; held: boolean | null }[];
  capacity: readonly { label: string; phase: string | null; deliveries_per_second: number | null; limit: string }[];
  stopped_by: Record<string, string>;
  comparisons: readonly {
    metric: string;
    phase: string | null;
    a: string;
    b: string;
    value_a: number | null;
    value_b: number | null;
    ratio: number | null;
    low: number | null;
    high: number | null;
    finding: string;
    better: string | null;
  }[];
}

export interface StoredRun {
  run: {
    id: string;
    scenario: string;
    question: string;
    hypothesis: string;
    began: number;
    status: string;
    seed: number;
    repeats: number;
    demo: boolean;
    command: readonly string[];
    targets: readonly { label: string; title: string; model: Side["model"] }[];
  };
  plan: { duration: number; connections: number; posts: number; phases: readonly { name: string; measured: boolean }[] };
  fairness: { settings: readonly { name: string; values: Record<string, string>; equal: boolean; why: string }[] };
  environment: Record<string, string>;
  series: readonly Second[];
  servers: readonly ServerSample[];
  events: readonly RunEvent[];
  trials: readonly {
    label: string;
    repeat: number;
    status: string;
    phases: readonly { name: string; latency: Readonly<Record<string, Latency>> }[];
    ledger: Record<string, number>;
    denominators: { intended: number; connected: number; delivered: number };
    losses: readonly { cause: string; deliveries: number; detail: string }[];
  }[];
  verdict: Verdict | null;
}

export class DamagedRun extends Error {}

const PARTS = ["run", "plan", "fairness", "environment", "series", "servers", "events", "trials"] as const;

/** Look whether this can be a run at all; the files are whole where `loadtest` wrote them. */
export function checked(found: unknown, name: string): StoredRun {
  const parts = typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
  const missing = PARTS.filter((part) => typeof parts[part] !== "object" || parts[part] === null);
  if (missing.length > 0) throw new DamagedRun(`${name} is no run, or a damaged one: ${missing.join(", ")} cannot be read.`);
  const { run, series, servers, trials, events } = found as StoredRun;
  const whole =
    Array.isArray(run.targets) && [series, servers, trials, events].every(Array.isArray) && series.every((second) => second?.delivery);
  if (!whole) throw new DamagedRun(`${name} is damaged: its records do not have the form of a run.`);
  return found as StoredRun;
}

/** Buckets of `loadtest.histogram` as rows of the heatmap: two for each power of two, from 100 µs. */
export function heatOf(buckets: Latency["buckets"]): Heat {
  const rows = new Map<number, number>();
  for (const [bucket, count] of buckets) {
    const shift = Math.max(0, Math.floor(bucket / 128) - 1);
    const microseconds = (bucket - shift * 128 + 1) * 2 ** shift;
    const row = Math.min(39, Math.max(0, Math.floor(2 * Math.log2(microseconds / 100))));
    rows.set(row, (rows.get(row) ?? 0) + count);
  }
  return [...rows];
}

const SAME_S = 1;
const NAMES: Record<string, string> = { async: "FastAPI", sync: "Flask" };

function figures(second: Second, sums: Record<string, number>): Record<string, number> {
  for (const name of ["lost", "duplicated", "corrupt"] as const) sums[name] = (sums[name] ?? 0) + second.ledger[name];
  const { connections, messages, delivery } = second;
  const m: Record<string, number | null> = {
    open: connections.open,
    planned: connections.planned,
    handshaking: connections.handshaking,
    refused: connections.refused,
    closed: Object.values(second.closes).reduce((sum, count) => sum + count, 0),
    offered: messages.planned,
    acked: messages.acknowledged,
    dlv: second.deliveries,
    recovered: second.recovered ?? null,
    handshake50: second.handshake?.p50 ?? null,
    handshake99: second.handshake?.p99 ?? null,
    http50: second.http?.p50 ?? null,
    http99: second.http?.p99 ?? null,
    ...sums,
    p50: delivery.p50,
    p95: delivery.p95,
    p99: delivery.p99,
    max: delivery.max,
    "generator.cpu": second.generator.cpu,
  };
  return Object.fromEntries(Object.entries(m).filter((entry): entry is [string, number] => entry[1] !== null));
}

function costs({ processes, redis, values = {}, scheduler_lag: lag }: ServerSample): Record<string, number> {
  const own = processes.filter((process) => process.role !== "redis");
  const sum = (of: (process: (typeof own)[number]) => number | null) => own.reduce((total, process) => total + (of(process) ?? 0), 0);
  const m: Record<string, number> = {};
  if (own.length > 0) {
    m["cpu"] = sum((process) => process.cpu);
    m["rss"] = sum((process) => process.rss);
    m["threads"] = sum((process) => process.threads);
    m["fds"] = sum((process) => process.fds);
    m["switches"] = sum((process) => process.voluntary + process.involuntary);
  }
  const shares = own.map((process) => process.connections).filter((count) => count != null);
  if (shares.length > 1) Object.assign(m, { fullest: Math.max(...shares), emptiest: Math.min(...shares) });
  // The server's own count, where there is one: it may know of those that are gone, or not know yet.
  const open = values["chat_connections_open"];
  if (open !== undefined) m["open"] = open;
  if (redis) m["redis.ops"] = redis.ops;
  if (lag?.p99 != null) m["lag99"] = lag.p99;
  if (lag?.max != null) m["lagMax"] = lag.max;
  return m;
}

/** The number of the trial that is the chosen repeat: what others disturbed was made again, and is not what was judged. */
export function trialOf(trials: StoredRun["trials"], label: string, repeat: number): number {
  const own = trials.filter((trial) => trial.label === label);
  const judged = own.filter((trial) => trial.status !== "disturbed").sort((a, b) => a.repeat - b.repeat);
  return judged[repeat]?.repeat ?? own.length + repeat - judged.length;
}

/** The chosen repeat of one or several runs over one axis: seconds since each plan began. */
export function boardOf(runs: readonly StoredRun[], repeat: number): Board {
  const timeline = new Timeline();
  const sides: Side[] = [];
  const ticks = new Map<number, Record<string, { m: Record<string, number>; heat: Heat; closes: Record<string, number> }>>();
  const place = (t: number, label: string) => {
    let tick = ticks.get(t);
    if (tick === undefined) ticks.set(t, (tick = {}));
    return (tick[label] ??= { m: {}, heat: [], closes: {} });
  };
  const events: Happening[] = [];
  const ghosts = new Set<string>();
  runs.forEach(({ run, series, servers, trials, events: happened }, number) => {
    const chosen = new Map(run.targets.map(({ label }) => [label, trialOf(trials, label, repeat)]));
    const ofIt = (one: { label: string; repeat: number }) => one.repeat === chosen.get(one.label);
    const named = (label: string) => (runs.length > 1 ? `${number + 1}·${label}` : label);
    const sums: Record<string, Record<string, number>> = {};
    for (const { label, model } of run.targets) {
      const title = NAMES[label] ?? label;
      sides.push({ label: named(label), title: runs.length > 1 ? `${number + 1} ${title}` : title, model });
    }
    for (const second of series.filter(ofIt)) {
      const at = place(second.t, named(second.label));
      Object.assign(at.m, figures(second, (sums[second.label] ??= {})));
      at.heat = heatOf(second.delivery.buckets);
      at.closes = second.closes;
    }
    for (const sample of servers.filter(ofIt)) {
      Object.assign(place(sample.t, named(sample.label)).m, costs(sample));
    }
    const ran = series.filter((one) => one.repeat === repeat).map((second) => second.label);
    if (run.status === "running") for (const label of ran) if (label !== ran.at(-1)) ghosts.add(named(label));
    for (const event of happened.filter(ofIt)) {
      // What was done to every target at the same moment of its time is marked once.
      if (events.some((known) => known.kind === event.kind && known.name === event.name && Math.abs(known.t - event.t) < SAME_S)) continue;
      events.push({ ...event, id: events.length });
    }
  });
  for (const t of [...ticks.keys()].sort((a, b) => a - b)) {
    const found = ticks.get(t) ?? {};
    const whole = Object.entries(found).map(([label, sample]) => [label, { state: "live", workers: [1, 1], ...sample }] as const);
    timeline.append({ t, sides: Object.fromEntries(whole), redis: { state: "unknown", m: {} } } satisfies Tick);
  }
  const board = new Board(timeline, sides, "run");
  board.events = events;
  board.ghosts = ghosts;
  const first = timeline.t[0] ?? 0;
  board.whole = { from: Math.min(0, first), to: Math.max(first + 5, timeline.t.at(-1) ?? 5) };
  return board;
}

interface Inside {
  runs: readonly unknown[];
}

/** What `python -m loadtest report` has put into the page: base64 of gzip of JSON. Null where the page is empty. */
export async function inside(element: Element | null): Promise<StoredRun[] | null> {
  const text = element?.textContent?.trim() ?? "";
  if (text === "") return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const found = (await new Response(stream).json()) as Inside;
  return found.runs.map((run) => checked(run, "This report"));
}
