import { deflateRawSync } from "node:zlib";
import type uPlot from "uplot";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Board } from "../src/monitor/board";
import { thinned } from "../src/monitor/paths";
import { boardOf, checked, DamagedRun, heatOf, type StoredRun } from "../src/monitor/stored";
import { Timeline, type Tick } from "../src/monitor/timeline";
import { format } from "../src/monitor/units";
import { unzip } from "../src/monitor/unzip";

const sample = (m: Record<string, number>) => ({ state: "live", workers: [1, 1] as const, m, heat: [], closes: {} });
const tick = (t: number, m: Record<string, number>): Tick => ({
  t,
  sides: { async: sample(m) },
  redis: { state: "live", m: { ops: t } },
});

describe("a timeline", () => {
  it("keeps columns of one length, whenever they begin and end", () => {
    const timeline = new Timeline();
    for (const [t, m] of [[-1, { a: 1 }], [0, { a: 2, b: 3 }], [1, { b: 4 }]] as const) timeline.append(tick(t, m));
    expect(timeline.t).toEqual([-1, 0, 1]);
    expect(timeline.column("async", "a")).toEqual([1, 2, null]);
    expect(timeline.column("async", "b")).toEqual([null, 3, 4]);
    expect(timeline.column("shared", "redis.ops")).toEqual([-1, 0, 1]);
    expect(timeline.latest("async", "b")).toBe(4);
  });

  it("shows a hole in time as one, and takes no second twice", () => {
    const timeline = new Timeline();
    for (const t of [1, 2, 2, 1, 30]) timeline.append(tick(t, { a: t }));
    expect(timeline.t).toEqual([1, 2, 3, 30]);
    expect(timeline.column("async", "a")).toEqual([1, 2, null, 30]);
  });

  it("keeps the last hour", () => {
    const timeline = new Timeline();
    for (let t = 1; t <= 4000; t++) timeline.append(tick(t, { a: t }));
    expect(timeline.t.length).toBeLessThanOrEqual(3661);
    expect(timeline.t.at(-1)).toBe(4000);
    expect(timeline.column("async", "a").length).toBe(timeline.t.length);
    expect(timeline.column("async", "a").at(-1)).toBe(4000);
  });
});

describe("drawing", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("comes to every chart though changes come faster than it is done, one canvas per frame", () => {
    const frames: (() => void)[] = [];
    vi.stubGlobal("requestAnimationFrame", (frame: () => void) => frames.push(frame));
    const board = new Board(new Timeline(), []);
    const drawn: number[] = [];
    const ends = [0, 1, 2, 3, 4].map((chart) => board.onData(() => drawn.push(chart) > 0));
    for (let frame = 0; frame < 10; frame++) {
      board.changed();
      frames.shift()?.();
      expect(drawn.length).toBe(frame + 1);
    }
    expect(drawn).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    for (const end of ends) end();
    while (frames.length > 0) frames.shift()?.();
    expect(drawn.length).toBe(10);
  });

  it("leaves out no peak, and lets no line cross a hole", () => {
    const drawn: [string, number, number][] = [];
    class Pen {
      moveTo = (x: number, y: number) => drawn.push(["move", x, y]);
      lineTo = (x: number, y: number) => drawn.push(["line", x, y]);
    }
    vi.stubGlobal("Path2D", Pen);
    vi.stubGlobal("devicePixelRatio", 1);
    const t = Array.from({ length: 600 }, (_, second) => second);
    const values: (number | null)[] = t.map((second) => (second === 77 ? 9 : second === 431 ? -9 : 1));
    values.fill(null, 200, 300);
    const plot = {
      data: [t, values],
      scales: { x: { min: 0, max: 600 } },
      series: [{}, { scale: "y" }],
      bbox: { left: 0, top: 0, width: 60, height: 10 },
      valToPos: (value: number) => value,
    };
    thinned(plot as unknown as uPlot, 1, 0, 599);
    expect(drawn.length).toBeLessThan(30);
    expect(drawn.filter(([, , y]) => y !== 1)).toEqual([["line", 77, 9], ["line", 431, -9]]);
    expect(drawn.filter(([kind]) => kind === "move").map(([, x]) => x)).toEqual([0, 300]);
  });
});

describe("figures", () => {
  it.each([
    [0, "seconds", "0 ms"], [0.00045, "seconds", "450 µs"], [0.0123, "seconds", "12.3 ms"], [2.5, "seconds", "2.50 s"],
    [0, "bytes", "0 B"], [1536, "bytes", "1.50 KiB"], [64 * 2 ** 20, "bytes", "64 MiB"],
    [12, "count", "12"], [9999, "count", "9,999"], [25_000, "count", "25 k"], [2_100_000, "rate", "2.10 M/s"], [5.5, "rate", "5.50 /s"],
    [0.123, "cpu", "12.3 %"], [1, "cpu", "100 %"], [null, "count", "–"],
  ] as const)("%s of %s are %s", (value, unit, text) => {
    expect(format(value, unit)).toBe(text);
  });

  it("puts every bucket of the load test in the row of its duration", () => {
    expect(heatOf([[99, 2], [100, 3]])).toEqual([[0, 5]]); // up to 100 µs, and just above
    const [[row]] = heatOf([[128 * 4 + 72, 1]]) as [[number, number]]; // (200 + 1) << 3, about 1.6 ms
    expect(100 * 2 ** (row / 2)).toBeLessThanOrEqual(1608);
    expect(100 * 2 ** ((row + 1) / 2)).toBeGreaterThan(1600);
  });
});

const second = (t: number, label: string, p99: number) => ({
  t, label, repeat: 0,
  connections: { planned: 2, handshaking: 0, open: 2, refused: 0 },
  messages: { planned: 1, acknowledged: 1 },
  deliveries: 2,
  delivery: { p50: p99, p95: p99, p99, max: p99, buckets: [] },
  ledger: { lost: 1, duplicated: 0, corrupt: 0 },
  closes: {},
  generator: { cpu: 0.1, send_lag_p99: null },
});

const run = {
  run: { id: "one", scenario: "made", status: "complete", repeats: 1, targets: [{ label: "async", title: "", model: "asgi" }, { label: "sync", title: "", model: "wsgi" }] },
  plan: {}, fairness: { settings: [] }, environment: {},
  series: [second(-1, "async", 0.1), second(0, "async", 0.2), second(0, "sync", 0.4)],
  servers: [], events: [], trials: [], verdict: null,
} as unknown as StoredRun;

describe("a stored run", () => {
  it("is drawn over one axis, from before its plan began", () => {
    const board = boardOf([run], 0);
    expect(board.timeline.t).toEqual([-1, 0]);
    expect(board.timeline.column("async", "p99")).toEqual([0.1, 0.2]);
    expect(board.timeline.column("sync", "p99")).toEqual([null, 0.4]);
    expect(board.timeline.column("async", "lost")).toEqual([1, 2]);
    expect(board.sides.map((side) => side.title)).toEqual(["FastAPI", "Flask"]);
  });

  it("shows who has run already as a ghost of who is running", () => {
    expect([...boardOf([run], 0).ghosts]).toEqual([]);
    const running = { ...run, run: { ...run.run, status: "running" } };
    expect([...boardOf([running], 0).ghosts]).toEqual(["async"]);
    expect([...boardOf([{ ...running, series: [second(0, "sync", 0.4)] }], 0).ghosts]).toEqual([]);
  });

  it("marks once what was done to every target at the same moment", () => {
    const frozen = (label: string, t: number) => ({ t, label, repeat: 0, kind: "fault", name: "frozen", until: t + 2, detail: "" });
    const hurt = { ...run, events: [frozen("async", 4), frozen("sync", 4.02), frozen("sync", 8)] } as unknown as StoredRun;
    expect(boardOf([hurt], 0).events.map(({ t }) => t)).toEqual([4, 8]);
  });

  it("is told from others it is compared with", () => {
    expect(boardOf([run, run], 0).sides.map((side) => side.title)).toEqual(["1 FastAPI", "1 Flask", "2 FastAPI", "2 Flask"]);
  });

  it("is refused where it is none", () => {
    for (const none of [null, 7, {}, { ...run, series: null }, { ...run, series: [{}] }]) {
      expect(() => checked(none, "it")).toThrow(DamagedRun);
    }
  });
});

/** A zip as zip programs write it, packed or not. */
function zipped(files: Record<string, string>, packed: boolean): File {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const plain = Buffer.from(content);
    const data = packed ? deflateRawSync(plain) : plain;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(packed ? 8 : 0, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(plain.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    directory.push(entry, Buffer.from(name));
    parts.push(local, Buffer.from(name), data);
    at += 30 + name.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(at, 16);
  return new File([Buffer.concat([...parts, ...directory, end])], "run.zip");
}

const files = (place: string) => ({
  [`${place}run.json`]: JSON.stringify(run.run),
  [`${place}plan.json`]: "{}",
  [`${place}fairness.json`]: JSON.stringify(run.fairness),
  [`${place}environment.json`]: "{}",
  [`${place}series.jsonl`]: run.series.map((one) => JSON.stringify(one)).join("\n") + "\n",
  [`${place}servers.jsonl`]: "",
  [`${place}events.jsonl`]: "",
  [`${place}trials.jsonl`]: "",
});

describe("a zip", () => {
  it.each([[true], [false]])("gives its runs (packed: %s)", async (packed) => {
    const runs = await unzip(zipped({ ...files("one/"), ...files("two/") }, packed));
    expect(runs.length).toBe(2);
    expect(runs[0]?.series).toEqual(run.series);
  });

  it("is refused in words where it is damaged", async () => {
    const whole = zipped(files(""), true);
    const bytes = Buffer.from(await whole.arrayBuffer());
    for (let from = 0; from + 40 < bytes.length; from += 40) {
      const hurt = Buffer.from(bytes);
      hurt.fill(0xff, from, from + 40);
      await unzip(new File([hurt], "hurt.zip")).then(
        () => undefined, // what was hurt is read by nobody
        (error: unknown) => expect(error).toBeInstanceOf(DamagedRun),
      );
    }
    await expect(unzip(new File(["nothing"], "none.zip"))).rejects.toThrow("none.zip is no zip file");
    await expect(unzip(zipped({ "other.txt": "x" }, false))).rejects.toThrow("There is no run.json in run.zip.");
    await expect(unzip(zipped({ ...files(""), "series.jsonl": "{" }, false))).rejects.toThrow("series.jsonl, line 1");
  });
});
