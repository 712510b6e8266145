import { describe, expect, test } from "vitest";
import type { AnyEntry, Message } from "../src/protocol";
import { BEA, E1, E2, ME, ROOM, at, entries, entry, joinResult, live } from "./world";

describe("live pushes", () => {
  test("the next entry is shown", () => {
    expect(live(3).push(entry(4)).offsets).toEqual([1, 2, 3, 4]);
  });

  test("an entry that is known already is ignored", () => {
    const world = live(3);
    const before = world.room.messages;
    world.push(entry(3, { id: "other" })).push(entry(1));
    expect(world.room.messages).toBe(before);
    expect(world.taken("join")).toEqual([]);
  });

  test("a gap is not shown; the room is joined again from where it was", () => {
    const world = live(3).push(entry(6));
    expect(world.offsets).toEqual([1, 2, 3]);
    const [join, ...others] = world.taken("join");
    expect(join).toMatchObject({ room: ROOM, since: at(3) });
    expect(others).toEqual([]);
    world.reply(join, joinResult(entries(4, 6), { recovered: true }));
    expect(world.offsets).toEqual([1, 2, 3, 4, 5, 6]);
    expect(world.room.membership).toBe("live");
  });

  test("another epoch is joined again from where it was, and continues under it", () => {
    const world = live(3).push(entry(4, { epoch: E2 }));
    expect(world.offsets).toEqual([1, 2, 3]);
    const [join] = world.taken("join");
    expect(join).toMatchObject({ since: at(3, E1) });
    world.reply(join, joinResult([entry(4, { epoch: E2 })], { epoch: E2, recovered: true }));
    expect(world.room.position).toEqual(at(4, E2));
    expect(world.push(entry(5, { epoch: E2 })).offsets).toEqual([1, 2, 3, 4, 5]);
  });

  test("what arrives of a room that was left is ignored", () => {
    const world = live().on({ type: "left", room: ROOM });
    expect(world.taken("leave")).toHaveLength(1);
    world.state = { ...world.state, rooms: {} };
    expect(world.push(entry(4)).state.rooms).toEqual({});
  });

  test("a push of a type from a newer server is ignored", () => {
    const world = live();
    const before = world.state;
    world.push({ type: "poll", room: ROOM, offset: 4, epoch: E1 } as never);
    expect(world.state.rooms).toEqual(before.rooms);
  });
});

describe("joining", () => {
  test("pages apply in order until there are no more", () => {
    const world = live(3).push(entry(9));
    const [join] = world.taken("join");
    world.reply(join, joinResult(entries(4, 5), { recovered: true, more: true }));
    expect(world.room.membership).toBe("replaying");
    world.push({ type: "replay", room: ROOM, messages: entries(6, 7), more: true });
    expect(world.room.membership).toBe("replaying");
    world.push({ type: "replay", room: ROOM, messages: entries(8, 9), more: false });
    expect(world.room.membership).toBe("live");
    expect(world.offsets).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(world.taken("join")).toEqual([]);
  });

  test("pages of a former join are ignored", () => {
    const world = live(3).push({ type: "replay", room: ROOM, messages: entries(5, 6), more: false });
    expect(world.offsets).toEqual([1, 2, 3]);
    world.push(entry(9)).push({ type: "replay", room: ROOM, messages: entries(5, 6), more: false });
    expect(world.room.membership).toBe("joining");
    expect(world.offsets).toEqual([1, 2, 3]);
  });

  test("pages after an epoch has ended leave the room at its new epoch", () => {
    const world = live(3).close().comeBack();
    const [join] = world.taken("join");
    world.reply(join, joinResult(entries(4, 4), { epoch: E2, recovered: true, more: true }));
    world.push({ type: "replay", room: ROOM, messages: entries(5, 5), more: false });
    expect(world.room.position).toEqual(at(5, E2));
    expect(world.push(entry(6, { epoch: E2 })).offsets).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("a push passed over while joining must be in the result, or the room is joined once more", () => {
    const world = live(3).push(entry(5));
    const [join] = world.taken("join");
    world.push(entry(7));
    world.reply(join, joinResult(entries(4, 6), { recovered: true }));
    expect(world.taken("join")[0]).toMatchObject({ since: at(6) });
  });

  test("where the log cannot be continued, its present state replaces what was shown, and that is said", () => {
    const world = live(3).post("mine").close().comeBack();
    const [join] = world.taken("join");
    world.reply(join, joinResult(entries(40, 41), { recovered: false }));
    expect(world.offsets).toEqual([40, 41]);
    expect(world.room.broken).toBe(true);
    expect(world.room.older).toBe("some");
    expect(world.taken("post")[0]).toMatchObject({ id: "mine" });
  });

  test("a reset joins again without a position and keeps the screen until the answer", () => {
    const world = live(3).push({ type: "reset", room: ROOM, epoch: E2, offset: 8 });
    const [join] = world.taken("join");
    expect(join).not.toHaveProperty("since");
    expect(world.offsets).toEqual([1, 2, 3]);
    world.reply(join, joinResult([entry(8, { epoch: E2 })], { epoch: E2 }));
    expect(world.offsets).toEqual([8]);
    expect(world.room.broken).toBe(true);
  });

  test("a refusal that is not of the moment is shown and not asked again", () => {
    const world = live(3).push(entry(9));
    world.refuse(world.taken("join")[0], "forbidden");
    expect(world.room.membership).toBe("refused");
    expect(world.wait(60).taken("join")).toEqual([]);
  });

  test("while Redis is away the join is tried again, less and less often, and at once when it is back", () => {
    const world = live(3).push(entry(9));
    world.refuse(world.taken("join")[0], "unavailable");
    expect(world.taken("join")).toEqual([]);
    expect(world.wakeAt).toBeGreaterThan(world.now);
    world.wait((world.wakeAt ?? 0) - world.now);
    world.refuse(world.taken("join")[0], "unavailable");
    world.push({ type: "notice", notice: "restored" });
    expect(world.taken("join")).toHaveLength(1);
  });
});

describe("changes", () => {
  const text = (message: Message | undefined): string | null | undefined => message?.text;
  const change = (offset: number, more: object): AnyEntry => entry(offset, { text: undefined, ...more } as never);

  test("an edit, a deletion and reactions change the message they are about", () => {
    const world = live(3);
    world.push(change(4, { type: "edited", target: at(1), text: "better" }));
    world.push(change(5, { type: "reacted", target: at(2), emoji: "👍", on: true }));
    world.push(change(6, { type: "reacted", target: at(2), emoji: "👍", on: true, user: ME }));
    world.push(change(7, { type: "reacted", target: at(2), emoji: "👍", on: false }));
    world.push(change(8, { type: "deleted", target: at(3) }));
    expect(world.room.messages[0]).toMatchObject({ text: "better", edited_at: 1004 });
    expect(world.room.messages[1]?.reactions).toEqual({ "👍": [ME.id] });
    expect(text(world.room.messages[2])).toBeNull();
    expect(world.room.position).toEqual(at(8));
  });

  test("the last to go takes the emoji along", () => {
    const world = live(1);
    world.push(change(2, { type: "reacted", target: at(1), emoji: "🎉", on: true }));
    world.push(change(3, { type: "reacted", target: at(1), emoji: "🎉", on: false }));
    expect(world.room.messages[0]?.reactions).toEqual({});
  });

  test("a change of a message that is not loaded moves the position and nothing else", () => {
    const world = live(3).push(change(4, { type: "edited", target: at(2, E2), text: "x" }));
    expect(world.room.messages.map(text)).toEqual(["text 1", "text 2", "text 3"]);
    expect(world.push(entry(5)).offsets).toEqual([1, 2, 3, 5]);
  });

  test("an edit in a replay of a message deleted since shows no text", () => {
    const world = live(3).push(change(4, { type: "edited", target: at(3), text: null }));
    expect(text(world.room.messages[2])).toBeNull();
  });

  test("a change that overtakes the page with its message is applied to it", () => {
    const world = live(3).on({ type: "selected", room: ROOM });
    world.state = { ...world.state, rooms: { [ROOM]: { ...world.room, messages: world.room.messages.slice(2), older: "some" } } };
    world.on({ type: "asked_older", room: ROOM });
    world.push(change(4, { type: "edited", target: at(1), text: "late" }));
    const page = entries(1, 2) as Message[];
    world.on({ type: "older", room: ROOM, before: 3, epoch: E1, messages: page, more: false });
    expect(world.room.messages.map(text)).toEqual(["late", "text 2", "text 3"]);
    expect(world.room.older).toBe("none");
  });

  test("older messages that were asked for before the room was loaded anew are dropped", () => {
    const world = live(3);
    world.state = { ...world.state, rooms: { [ROOM]: { ...world.room, older: "some" } } };
    world.on({ type: "asked_older", room: ROOM });
    world.on({ type: "older", room: ROOM, before: 90, epoch: E1, messages: entries(80, 89) as Message[], more: true });
    expect(world.offsets).toEqual([1, 2, 3]);
    expect(world.room.older).toBe("some");
  });
});

test("a long room forgets its oldest messages, but not under a reader's eyes", () => {
  const world = live(0);
  world.on({ type: "viewed", visible: true, atBottom: false, at: world.now });
  for (let offset = 1; offset <= 950; offset++) world.push(entry(offset));
  expect(world.room.messages).toHaveLength(950);
  world.on({ type: "viewed", visible: true, atBottom: true, at: world.now }).push(entry(951));
  expect(world.room.messages).toHaveLength(600);
  expect(world.room.older).toBe("some");
  expect(world.room.messages.at(-1)?.user).toEqual(BEA);
});
