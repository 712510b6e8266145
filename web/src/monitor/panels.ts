/** What there is to see, in the order of the page: first what people notice, then what it costs. */

import type { Board } from "./board";
import { SHARED } from "./timeline";
import type { Unit } from "./units";

export interface Line {
  metric: string;
  /** What tells it from the other lines of the panel; the first line of a panel has none. */
  name: string;
  weight: "main" | "faint";
  shared?: boolean;
}

export interface Panel {
  id: string;
  title: string;
  /** One sentence: what it is, and where it was measured. */
  about: string;
  unit: Unit;
  lines: readonly Line[];
  group: "people" | "machines";
  /** Shown only where there is anything to show: it needs a load. */
  optional?: boolean;
  /** The axis reaches at least to here. */
  least?: number;
}

const main = (metric: string, name = ""): Line => ({ metric, name, weight: "main" });
const faint = (metric: string, name: string): Line => ({ metric, name, weight: "faint" });
const shared = (metric: string, name = ""): Line => ({ metric, name, weight: "main", shared: true });

export const PANELS: readonly Panel[] = [
  {
    id: "connections",
    title: "Connections",
    about: "Open at the server; faint: how many the load wants, and how many are shaking hands.",
    unit: "count",
    lines: [main("open"), faint("planned", "offered"), faint("handshaking", "handshaking")],
    group: "people",
    least: 10,
  },
  {
    id: "messages",
    title: "Messages",
    about: "Posts acknowledged per second, as the load saw it; faint: offered by the plan.",
    unit: "rate",
    lines: [main("acked"), faint("offered", "offered")],
    group: "people",
    optional: true,
    least: 5,
  },
  {
    id: "deliveries",
    title: "Deliveries",
    about: "Log entries written to members per second, by the server's count; faint: received by the load, by resuming.",
    unit: "rate",
    lines: [main("dlv"), faint("seen", "received"), faint("recovered", "by resuming")],
    group: "people",
    least: 10,
  },
  {
    id: "latency",
    title: "Delivery latency",
    about: "From when a message was meant to be sent until a member had it.",
    unit: "seconds",
    lines: [main("p99")],
    group: "people",
    optional: true,
    least: 0.02,
  },
  {
    id: "handshake",
    title: "Handshakes",
    about: "From when one was meant to begin until it was answered with 101: 99th percentile; faint: median.",
    unit: "seconds",
    lines: [main("handshake99"), faint("handshake50", "median")],
    group: "people",
    optional: true,
    least: 0.02,
  },
  {
    id: "http",
    title: "HTTP beside it",
    about: "Requests made while the sockets are held: 99th percentile; faint: median.",
    unit: "seconds",
    lines: [main("http99"), faint("http50", "median")],
    group: "people",
    optional: true,
    least: 0.02,
  },
  {
    id: "relay",
    title: "Relay lag",
    about: "From the commit in Redis to the server's relay: 99th percentile; faint: median.",
    unit: "seconds",
    lines: [main("relay99"), faint("relay50", "median")],
    group: "people",
    least: 0.005,
  },
  {
    id: "ledger",
    title: "Ledger",
    about: "Deliveries lost, doubled or corrupt since the load began. Should be zero.",
    unit: "count",
    lines: [main("lost", "lost"), faint("duplicated", "doubled"), faint("corrupt", "corrupt")],
    group: "people",
    optional: true,
    least: 1,
  },
  {
    id: "closes",
    title: "Closed and refused",
    about: "Connections that the server closed, per second, whatever the code; faint: handshakes refused.",
    unit: "rate",
    lines: [main("closed"), faint("refused", "refused")],
    group: "people",
    least: 1,
  },
  {
    id: "cpu",
    title: "CPU",
    about: "All processes of a backend together; 100 % is one CPU.",
    unit: "cpu",
    lines: [main("cpu")],
    group: "machines",
    least: 0.1,
  },
  {
    id: "rss",
    title: "Memory",
    about: "Resident memory of all processes of a backend.",
    unit: "bytes",
    lines: [main("rss")],
    group: "machines",
  },
  {
    id: "lag",
    title: "Scheduler lag",
    about: "How late something that is due gets to run inside the server: 99th percentile; faint: the longest.",
    unit: "seconds",
    lines: [main("lag99"), faint("lagMax", "longest")],
    group: "machines",
    least: 0.01,
  },
  { id: "threads", title: "Threads", about: "Of all processes.", unit: "count", lines: [main("threads")], group: "machines" },
  {
    id: "fds",
    title: "Descriptors",
    about: "Open files and sockets of all processes.",
    unit: "count",
    lines: [main("fds")],
    group: "machines",
  },
  {
    id: "switches",
    title: "Context switches",
    about: "Per second, voluntary or not.",
    unit: "rate",
    lines: [main("switches")],
    group: "machines",
    least: 10,
  },
  {
    id: "shares",
    title: "Connections per worker",
    about: "Of the fullest worker; faint: of the emptiest.",
    unit: "count",
    lines: [main("fullest"), faint("emptiest", "emptiest")],
    group: "machines",
    optional: true,
    least: 10,
  },
  {
    id: "outbox",
    title: "Outbox",
    about: "Bytes written to connections that the kernel has not taken yet.",
    unit: "bytes",
    lines: [main("outbox")],
    group: "machines",
    least: 1024,
  },
  {
    id: "redis",
    title: "Redis",
    about: "Commands per second; live, of the one that both share.",
    unit: "rate",
    lines: [shared("redis.ops")],
    group: "machines",
    least: 10,
  },
  {
    id: "generator",
    title: "The load itself",
    about: "CPU of what makes the load: near 100 % it measures itself, not the servers.",
    unit: "cpu",
    lines: [shared("generator.cpu")],
    group: "machines",
    optional: true,
    least: 0.1,
  },
];

export const PERCENTILES = [
  ["p50", "median"],
  ["p95", "95th percentile"],
  ["p99", "99th percentile"],
  ["max", "longest"],
] as const;

/** Live, both share one Redis and one generator; the targets of a stored run had their own, one after the other. */
export const labelsOf = (line: Line, board: Board): readonly string[] =>
  line.shared && board.clock === "wall" ? [SHARED] : board.labels;
