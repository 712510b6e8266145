import { describe, expect, test } from "vitest";
import type { AnyEntry, CommitResult } from "../src/protocol";
import { due } from "../src/state/due";
import { BEA, E1, ME, ROOM, World, at, entries, entry, joinResult, live } from "./world";

const committed = (offset: number, duplicate = false): CommitResult => ({ epoch: E1, offset, duplicate });
const mine = (offset: number, id: string): AnyEntry => entry(offset, { id, user: ME });

describe("posting", () => {
  test("one post of a room is in flight, in the order in which they were written", () => {
    const world = live(3).post("a").post("b").post("c");
    const [a, ...early] = world.taken("post");
    expect(a).toMatchObject({ id: "a", room: ROOM });
    expect(early).toEqual([]);
    world.reply(a, committed(4));
    expect(world.progress).toEqual({ a: "sent", b: "sending", c: "queued" });
    world.push(mine(4, "a"));
    expect(world.progress).toEqual({ b: "sending", c: "queued" });
    expect(world.offsets).toEqual([1, 2, 3, 4]);
  });

  test("a push that comes before the reply is the acknowledgement", () => {
    const world = live(3).post("a");
    const [post] = world.taken("post");
    world.push(mine(4, "a"));
    expect(world.progress).toEqual({});
    world.reply(post, committed(4));
    expect(world.progress).toEqual({});
    expect(world.offsets).toEqual([1, 2, 3, 4]);
  });

  test("a limit is waited for, and then the same post goes out", () => {
    const world = live(3).post("a");
    world.refuse(world.taken("post")[0], "rate_limited", { retry_after: 2 });
    expect(world.taken("post")).toEqual([]);
    expect(world.wakeAt).toBe(world.now + 2);
    expect(world.wait(2).taken("post")[0]).toMatchObject({ id: "a" });
  });

  test("a refused post stays with its reason, lets the next pass, and is tried again under a fresh id", () => {
    const world = live(3).post("a").post("b");
    world.refuse(world.taken("post")[0], "too_long", { message: "far too long" });
    expect(world.room.acts[0]).toMatchObject({ progress: "failed", reason: "far too long" });
    world.reply(world.taken("post")[0], committed(4));
    world.on({ type: "retried", room: ROOM, id: "a", fresh: "a2", at: world.now });
    expect(world.taken("post")[0]).toMatchObject({ id: "a2", text: "a" });
  });

  test("posts written while there is no connection wait for it", () => {
    const world = live(3).close().post("a");
    expect(world.taken("post")).toEqual([]);
    world.comeBack();
    world.reply(world.taken("join")[0], joinResult([], { offset: 3, recovered: true }));
    expect(world.taken("post")[0]).toMatchObject({ id: "a" });
  });

  test("a post in a room that the server has us out of is posted after joining", () => {
    const world = live(3).post("a");
    world.refuse(world.taken("post")[0], "not_joined");
    world.reply(world.taken("join")[0], joinResult([], { offset: 3, recovered: true }));
    expect(world.taken("post")[0]).toMatchObject({ id: "a" });
  });
});

describe("an outcome that is not known", () => {
  function lost(): World {
    const world = live(3).post("a").post("b");
    world.taken("post");
    world.close();
    expect(world.progress).toEqual({ a: "unknown", b: "queued" });
    return world.comeBack();
  }

  test("is settled by the own id in what was missed", () => {
    const world = lost();
    world.reply(world.taken("join")[0], joinResult([mine(4, "a")], { recovered: true }));
    expect(world.progress).toEqual({ b: "sending" });
    expect(world.taken("post").map((command) => "id" in command && command.id)).toEqual(["b"]);
  });

  test("is settled by the own id in a later page, before anything is posted", () => {
    const world = lost();
    world.reply(world.taken("join")[0], joinResult(entries(4, 5), { recovered: true, more: true }));
    expect(world.taken("post")).toEqual([]);
    world.push({ type: "replay", room: ROOM, messages: [mine(6, "a")], more: false });
    expect(world.taken("post").map((command) => "id" in command && command.id)).toEqual(["b"]);
  });

  test("is tried again under the same id where what was missed does not hold it", () => {
    const world = lost();
    expect(world.taken("post")).toEqual([]);
    world.reply(world.taken("join")[0], joinResult(entries(4, 5), { recovered: true }));
    const [again, ...others] = world.taken("post");
    expect(again).toMatchObject({ id: "a", text: "a" });
    expect(others).toEqual([]);
  });

  test("is settled by an answer that it was there already, further back than what is loaded", () => {
    const world = lost();
    world.reply(world.taken("join")[0], joinResult(entries(40, 90), { recovered: false }));
    world.reply(world.taken("post")[0], committed(4, true));
    expect(world.progress).toEqual({ b: "sending" });
  });

  test("after `unavailable` the room is resumed before the post is tried again", () => {
    const world = live(3).post("a");
    world.refuse(world.taken("post")[0], "unavailable");
    expect(world.progress).toEqual({ a: "unknown" });
    expect(world.taken("post")).toEqual([]);
    const [join] = world.taken("join");
    expect(join).toMatchObject({ since: at(3) });
    world.reply(join, joinResult([], { offset: 3, recovered: true }));
    expect(world.taken("post")[0]).toMatchObject({ id: "a" });
  });

  test("after ten minutes the person is asked, and may still find it arrived", () => {
    const world = lost();
    world.now += 600;
    world.reply(world.taken("join")[0], joinResult([], { offset: 3, recovered: true }));
    expect(world.progress).toEqual({ a: "asking", b: "sending" });
    expect(world.taken("post").map((command) => "id" in command && command.id)).toEqual(["b"]);
    world.push(mine(4, "a"));
    expect(world.progress).toEqual({ b: "sending" });
  });

  test("ten minutes that pass while the room is live count as well", () => {
    const world = lost();
    world.reply(world.taken("join")[0], joinResult([], { offset: 3, recovered: true }));
    world.refuse(world.taken("post")[0], "unavailable");
    world.now += 601;
    world.reply(world.taken("join")[0], joinResult([], { offset: 3, recovered: true }));
    expect(world.progress).toMatchObject({ a: "asking" });
    world.on({ type: "retried", room: ROOM, id: "a", fresh: "never", at: world.now });
    expect(world.progress).toMatchObject({ a: "queued" });
    expect(due(world.state, world.now)).toBeNull();
    world.on({ type: "discarded", room: ROOM, id: "a" });
    expect(world.progress).not.toHaveProperty("a");
  });

  test("a new user is asked about what the former one left unsure", () => {
    const world = live(3).post("a");
    world.taken();
    world.close(4500);
    expect(world.state.user).toBeNull();
    world.on({ type: "entered", user: BEA, at: world.now }).open();
    expect(world.progress).toEqual({ a: "asking" });
  });

  test("what was on its way at a reload is unknown, what was waiting still waits", () => {
    const world = new World();
    const acts = { [ROOM]: ["unknown", "queued"].map((progress) => ({ ...draft(progress), progress })) } as never;
    world.on({ type: "restored", rooms: [ROOM], acts, author: ME.id }).checked(200).open();
    world.reply(world.taken("join")[0], joinResult([mine(1, "unknown")]));
    expect(world.taken("post").map((command) => "id" in command && command.id)).toEqual(["queued"]);
  });

  const draft = (id: string) => ({ type: "post", id, at: 999_990, text: id, reply_to: null });

  test("a loss that we are told of takes acknowledged posts with it", () => {
    const world = live(3).post("a");
    world.reply(world.taken("post")[0], committed(4));
    expect(world.progress).toEqual({ a: "sent" });
    world.close().comeBack();
    world.reply(world.taken("join")[0], joinResult(entries(1, 2), { epoch: "00000000000000e2", recovered: false }));
    expect(world.progress).toEqual({});
    expect(world.offsets).toEqual([1, 2]);
  });
});

describe("edits, deletions, reactions", () => {
  const edit = { type: "edit", id: "e", at: 0, progress: "queued", target: at(3), text: "new" } as const;

  test("wait for their turn behind a post", () => {
    const world = live(3).post("a");
    world.on({ type: "did", room: ROOM, act: { ...edit, at: world.now } });
    expect(world.taken("edit")).toEqual([]);
    world.reply(world.taken("post")[0], committed(4));
    expect(world.taken("edit")[0]).toMatchObject({ id: "e", target: at(3), text: "new" });
  });

  test("are tried again under the same id and settled by the log", () => {
    const world = live(3);
    world.on({ type: "did", room: ROOM, act: { ...edit, at: world.now } }).close().comeBack();
    world.taken("edit");
    const shown = entry(4, { type: "edited", id: "e", user: ME, target: at(3), text: "new" } as never);
    world.reply(world.taken("join")[0], joinResult([shown], { recovered: true }));
    expect(world.room.acts).toEqual([]);
    expect(world.room.messages[2]?.text).toBe("new");
    expect(world.taken("edit")).toEqual([]);
  });

  test("refused, are dropped and said", () => {
    const world = live(3);
    world.on({ type: "did", room: ROOM, act: { ...edit, at: world.now } });
    world.refuse(world.taken("edit")[0], "gone", { message: "it is no longer there" });
    expect(world.room.acts).toEqual([]);
    expect(world.state.alert).toContain("it is no longer there");
  });
});
