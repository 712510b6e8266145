import { describe, expect, test } from "vitest";
import { backoff } from "../src/backoff";
import { health, sides } from "../src/state/view";
import { E1, ME, ROOM, World, at, entry, joinResult, live } from "./world";

describe("backoff", () => {
  test("is full jitter: anything from nothing to the bound", () => {
    expect(backoff(3, 0, 0)).toBe(0);
    expect(backoff(0, 0, 1)).toBe(0.5);
    expect(backoff(1, 0, 0.5)).toBe(0.5);
  });

  test("grows to two seconds in the first two minutes, and to thirty after them", () => {
    expect(backoff(50, 119, 1)).toBe(2);
    expect(backoff(50, 121, 1)).toBe(30);
  });
});

describe("coming back", () => {
  test("after a loss, every room is resumed from its position", () => {
    const world = live(3).close();
    expect(world.state.connection.status).toBe("waiting");
    expect(health(world.state.connection)).toBe("reconnecting");
    expect(world.comeBack().taken("join")[0]).toMatchObject({ since: at(3) });
  });

  test("a connection that could not be opened asks for the session first", () => {
    const world = live(3).close().wait(5).close();
    expect(world.state.connection.status).toBe("checking");
    expect(live().close().wait(5).close().checked(200).state.connection.status).toBe("waiting");
    const full = live().close().wait(5).close().checked(503, { retryAfter: 7 });
    expect(full.state.connection.until).toBeCloseTo(full.now + 7.5);
    const out = live().close().wait(5).close().checked(401);
    expect(out.state).toMatchObject({ user: null, connection: { status: "idle" } });
  });

  test("a server that takes us and drops us at once is not hammered", () => {
    const world = live(3).wait(60);
    for (let i = 0; i < 10; i++) world.close().comeBack();
    expect(world.close().state.connection.tries).toBeGreaterThan(8);
  });

  test("news of a former socket is ignored", () => {
    const world = live(3);
    const { attempt } = world.state.connection;
    world.close().comeBack();
    const before = world.state;
    world.on({ type: "closed", attempt, code: 1006, reason: "", at: world.now, chance: 0 });
    expect(world.state).toBe(before);
  });

  test("a code above 4500 ends it, with the reason, until the person says so", () => {
    const world = live(3).close(4501);
    expect(world.state.connection).toMatchObject({ status: "ended", reason: "too many refused commands" });
    expect(world.wakeAt).toBeNull();
    world.on({ type: "reconnected", at: world.now });
    expect(world.state.connection.status).toBe("connecting");
    expect(live().close(4999).state.connection.status).toBe("ended");
    expect(live().close(4321).state.connection.status).toBe("waiting");
  });

  test("an ended session keeps the rooms and what was written", () => {
    const world = live(3).close(4500).post("later");
    expect(world.state).toMatchObject({ user: null, connection: { status: "idle" } });
    expect(world.offsets).toEqual([1, 2, 3]);
    world.on({ type: "entered", user: ME, at: world.now }).open();
    world.reply(world.taken("join")[0], joinResult([], { offset: 3, recovered: true }));
    expect(world.taken("post")).toHaveLength(1);
  });

  test("a draining server is left when it asks, and come back to", () => {
    const world = live(3).push({ type: "notice", notice: "draining", reconnect_in: 4 });
    expect(world.wakeAt).toBe(world.now + 4);
    expect(world.wait(3.9).state.connection.status).toBe("live");
    const { attempt } = world.state.connection;
    expect(world.wait(0.2).state.connection).toMatchObject({ status: "connecting", attempt: attempt + 1 });
  });

  test("a draining server that closes first is not come back to before the time it gave", () => {
    const world = live(3).push({ type: "notice", notice: "draining", reconnect_in: 4 }).close(1012);
    expect(world.state.connection.until).toBeGreaterThanOrEqual(world.now + 4);
  });

  test("a command without a reply means that the connection is dead", () => {
    const world = live(3).post("a");
    expect(world.wakeAt).toBe(world.now + 10);
    world.wait(10);
    expect(world.state.connection.status).toBe("connecting");
    expect(world.progress).toEqual({ a: "unknown" });
  });

  test("a socket that never opens is given up", () => {
    expect(live(3).close().wait(5).wait(10).state.connection.status).toBe("checking");
  });
});

describe("switching to the twin", () => {
  const about = {
    backend: "async",
    label: "FastAPI",
    twin: { label: "Flask", address: ":8002" },
    version: "1",
  } as const;

  test("keeps what is on the screen, resumes there and tries again what was on its way", () => {
    const world = live(3).on({ type: "about", about }).post("a");
    world.taken();
    world.on({ type: "switched", at: world.now });
    expect(sides(world.state)).toMatchObject({ here: { label: "Flask", kind: "sync" }, there: { label: "FastAPI" } });
    expect(world.offsets).toEqual([1, 2, 3]);
    const [join] = world.open().taken("join");
    expect(join).toMatchObject({ since: at(3) });
    world.reply(join, joinResult([entry(4)], { recovered: true }));
    expect(world.taken("post")[0]).toMatchObject({ id: "a" });
    expect(world.offsets).toEqual([1, 2, 3, 4]);
  });
});

describe("what is said of oneself", () => {
  test("reading is said at most once a second, and only while one sees the end", () => {
    const world = live(3);
    expect(world.wait(1).push(entry(4)).taken("read")).toMatchObject([{ epoch: E1, offset: 4 }]);
    world.push(entry(5));
    expect(world.taken("read")).toEqual([]);
    expect(world.wakeAt).toBe(world.now + 1);
    expect(world.wait(1).taken("read")).toMatchObject([{ offset: 5 }]);
    world.on({ type: "viewed", visible: false, atBottom: true, at: world.now }).wait(5).push(entry(6));
    expect(world.taken("read")).toEqual([]);
  });

  test("typing is said every three seconds", () => {
    const world = live(3);
    for (let i = 0; i < 10; i++) world.on({ type: "typed", room: ROOM, at: world.now }).wait(0.5);
    expect(world.taken("typing")).toHaveLength(2);
    world.post("a").on({ type: "typed", room: ROOM, at: world.now });
    expect(world.taken("typing")).toHaveLength(1);
  });

  test("degraded and restored are shown", () => {
    const world = new World();
    expect(health(world.state.connection)).toBe("connecting");
    const degraded = live().push({ type: "notice", notice: "degraded" });
    expect(health(degraded.state.connection)).toBe("degraded");
    expect(health(degraded.push({ type: "notice", notice: "restored" }).state.connection)).toBe("live");
  });
});
