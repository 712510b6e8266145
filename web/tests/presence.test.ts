import { expect, test } from "vitest";
import { marks, reactions, rows, unread } from "../src/state/view";
import { BEA, E1, ME, ROOM, entry, live } from "./world";

const cyd = { id: "cyd", name: "Cyd" };

test("a full state replaces who is here, a diff changes it", () => {
  const world = live();
  world.push({ type: "presence", room: ROOM, count: 2, members: { count: 2, users: [ME, BEA], sampled: false } });
  world.push({ type: "presence", room: ROOM, count: 2, joins: [cyd], leaves: [BEA.id] });
  expect(world.room.members).toEqual({ count: 2, users: [ME, cyd], sampled: false });
  world.push({ type: "presence", room: ROOM, count: 2, joins: [{ ...cyd, name: "Cyd Z" }] });
  expect(world.room.members.users).toEqual([ME, { ...cyd, name: "Cyd Z" }]);
});

test("a count above those that are named says that they are a sample", () => {
  const world = live().push({ type: "presence", room: ROOM, count: 500, joins: [BEA] });
  expect(world.room.members).toMatchObject({ count: 500, sampled: true });
});

test("typing ends by itself, and with the message", () => {
  const world = live(3);
  world.push({ type: "typing", room: ROOM, user: BEA }).push({ type: "typing", room: ROOM, user: cyd });
  world.push({ type: "typing", room: ROOM, user: ME });
  expect(world.room.typists.map(({ user }) => user.id)).toEqual(["bea", "cyd"]);
  world.push(entry(4));
  expect(world.room.typists.map(({ user }) => user.id)).toEqual(["cyd"]);
  expect(world.wakeAt).toBeLessThanOrEqual(world.now + 5);
  expect(world.wait(5).room.typists).toEqual([]);
});

test("only names that clash are marked", () => {
  const twin = { id: "0000beef", name: "Bea" };
  expect(marks([ME, BEA, BEA])).toEqual(new Map());
  expect([...marks([ME, BEA, twin])]).toEqual([["bea", "bea"], ["0000beef", "beef"]]);
});

test("unread are the messages of others after what was read here or elsewhere", () => {
  const world = live(3).on({ type: "viewed", visible: false, atBottom: false, at: 0 });
  world.push(entry(4)).push(entry(5, { user: ME })).push(entry(6));
  expect(unread(world.room, ME)).toBe(2);
  world.push({ type: "read", room: ROOM, epoch: E1, offset: 4 });
  world.push({ type: "read", room: ROOM, epoch: E1, offset: 2 });
  expect(unread(world.room, ME)).toBe(1);
});

test("one's own reaction counts before it is in the log", () => {
  const message = { ...entry(1), reactions: { "👍": [BEA.id] } } as never;
  const pending = { type: "react", emoji: "👍", on: true, id: "r", at: 0, progress: "sending" } as never;
  expect(reactions(message, undefined, ME)).toEqual([["👍", 1, false]]);
  expect(reactions(message, pending, ME)).toEqual([["👍", 2, true]]);
});

test("messages of one author stand together until the day or the author changes", () => {
  const world = live(2).push(entry(3, { user: ME })).push(entry(4, { user: ME, at: 1_000_000 }));
  expect(rows(world.room).map(({ leads, opens }) => [leads, opens])).toEqual([
    [true, true],
    [false, false],
    [true, false],
    [true, true],
  ]);
});
