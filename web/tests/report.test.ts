/** What the report of a run draws that live charts do not have. */

import { describe, expect, it } from "vitest";
import { curveOf } from "../src/monitor/percentiles";
import { boardOf, type StoredRun, trialOf } from "../src/monitor/stored";

const trial = (label: string, repeat: number, status = "complete") => ({ label, repeat, status }) as unknown as StoredRun["trials"][number];

describe("the latency curve", () => {
  it("adds the counts of all phases before it reads a percentile", () => {
    const points = curveOf([[[100, 90]], [[200, 9]], [[100, 900]], [[200, 1]]]);
    expect(points.map(([part]) => Math.round(part * 1000))).toEqual([990, 999]);
    expect(points[0]?.[1]).toBeCloseTo(101e-6);
    expect(points[1]?.[1]).toBeCloseTo(202e-6); // 200 is (72 + 128 + 1) << 0, and no bucket is wider before 256
  });

  it("is empty where nothing was delivered", () => expect(curveOf([[], []])).toEqual([]));
});

describe("the trial that is drawn", () => {
  const trials = [trial("a", 0, "disturbed"), trial("b", 0), trial("a", 1), trial("b", 1, "disturbed"), trial("b", 2), trial("a", 2)];

  it("is one that was judged, and not one that others disturbed", () => {
    expect([trialOf(trials, "a", 0), trialOf(trials, "a", 1)]).toEqual([1, 2]);
    expect([trialOf(trials, "b", 0), trialOf(trials, "b", 1)]).toEqual([0, 2]);
  });

  it("is the one under way where none is over", () => {
    expect(trialOf([], "a", 0)).toBe(0);
    expect(trialOf([trial("a", 0, "disturbed")], "a", 0)).toBe(1);
  });
});

it("counts connections as the server does, and those of each worker", () => {
  const process = (connections: number | null) => ({ role: "worker", cpu: 0, rss: 0, threads: 1, fds: 1, voluntary: 0, involuntary: 0, connections });
  const sample = { t: 0, label: "a", repeat: 0, processes: [process(null), process(70), process(30)], redis: null, scheduler_lag: null };
  const run = {
    run: { id: "x", scenario: "made", status: "complete", repeats: 1, targets: [{ label: "a", title: "", model: "asgi" }] },
    series: [], servers: [{ ...sample, values: { chat_connections_open: 80 } }], events: [], trials: [],
  } as unknown as StoredRun;
  const { timeline } = boardOf([run], 0);
  expect(["open", "fullest", "emptiest"].map((metric) => timeline.latest("a", metric))).toEqual([80, 70, 30]);
});
