/** The description of the socket: valid by AsyncAPI's own parser, and its examples are what this client sends and takes. */

import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { describe, expect, test } from "vitest";
import type { AnyCommand, AnyPush, JoinResult, Reply } from "../src/protocol";
import type { Act } from "../src/state/types";
import { ROOM, World } from "./world";

const { document, diagnostics } = await new Parser().parse(readFileSync("../docs/asyncapi.yaml", "utf8"));

/** The golden vectors by message and by what they show. */
const vectors = new Map<string, unknown>();
for (const message of document?.allMessages() ?? []) {
  for (const example of message.examples()) vectors.set(`${message.id()}: ${example.name()}`, example.payload());
}

function vector<Frame>(name: string): Frame {
  const found = vectors.get(name);
  if (found === undefined) throw new Error(`the document has no example ${name}`);
  return structuredClone(found) as Frame;
}

const push = (name: string): AnyPush => vector(name);
const ada = { id: "56fc75dbd1794f53", name: "Ada" };

/** Ada, in the room as the first join left it. She does not look, so that she reads nothing by that. */
function joined(): World {
  const world = new World().on({ type: "selected", room: ROOM }).checked(200, { user: ada }).open();
  world.on({ type: "viewed", visible: false, atBottom: false, at: 0 });
  const { result } = vector<Reply>("JoinResultReply: first");
  return world.reply(world.taken("join")[0], result as JoinResult);
}

test("the document is valid, its examples included", () => {
  expect(diagnostics).toEqual([]);
  expect(vectors.size).toBeGreaterThan(30);
});

describe("what the client sends is as described", () => {
  const target = { epoch: "16892a0683050d93", offset: 1 };
  const acts: Record<string, Act> = {
    "Post: a message": { type: "post", id: "3fK9-1", text: "Helo", reply_to: null, at: 0, progress: "queued" },
    "Post: an answer": { type: "post", id: "Y9m-2", text: "Hi, Ada", reply_to: target, at: 0, progress: "queued" },
    "Edit: a correction": { type: "edit", id: "3fK9-2", target, text: "Hello", at: 0, progress: "queued" },
    "Delete: taken back": { type: "delete", id: "3fK9-4", target: { ...target, offset: 5 }, at: 0, progress: "queued" },
    "React: put on": { type: "react", id: "Y9m-1", target, emoji: "👋", on: true, at: 0, progress: "queued" },
    "React: taken off": { type: "react", id: "Y9m-3", target, emoji: "👋", on: false, at: 0, progress: "queued" },
  };
  test.each(Object.entries(acts))("%s", (name, act) => {
    const world = joined();
    world.taken();
    const { ref: _, ...expected } = vector<AnyCommand>(name);
    const [sent] = world.on({ type: "did", room: ROOM, act }).taken(act.type);
    expect({ ...sent, reply_to: undefined, ref: undefined }).toEqual({ ...expected, reply_to: undefined, ref: undefined });
    expect((sent as { reply_to?: unknown }).reply_to ?? undefined).toEqual((expected as { reply_to?: unknown }).reply_to);
  });

  test("a join, and a join again after a loss", () => {
    const world = new World().on({ type: "selected", room: ROOM }).checked(200, { user: ada }).open();
    const { ref: _, ...first } = vector<AnyCommand>("Join: first");
    expect(world.taken("join")[0]).toMatchObject(first);
    const { ref: __, ...again } = vector<AnyCommand>("Join: resuming");
    expect(joined().close().comeBack().taken("join").at(-1)).toMatchObject(again);
  });
});

describe("what the client takes is as described", () => {
  test("the room as of a join, and what was missed", () => {
    const world = joined();
    expect(world.room.messages.map(({ text }) => text)).toEqual(["Hello", "Hi, Ada"]);
    expect(world.room.members.users.map(({ name }) => name)).toEqual(["Ada", "Bob"]);
    world.close().comeBack();
    const { result } = vector<Reply>("JoinResultReply: resumed");
    world.reply(world.taken("join").at(-1), result as JoinResult);
    expect(world.room.messages.map(({ text }) => text)).toEqual(["Hello", "Hi, Ada", null]);
    expect(world.room).toMatchObject({ membership: "live", position: { offset: 6 }, read: { offset: 2 } });
  });

  test("entries, one after the other, become what history has of them", () => {
    const world = new World().on({ type: "selected", room: ROOM }).checked(200, { user: ada }).open();
    const empty = { ...(vector<Reply>("JoinResultReply: first").result as JoinResult), offset: 0, messages: [] };
    world.reply(world.taken("join")[0], empty);
    for (const name of ["Message: a message", "Edited: a correction", "Reacted: put on", "Message: an answer"]) {
      world.push(push(name));
    }
    expect(world.room.messages).toEqual(joined().room.messages);
  });

  test("presence, typing, reading, and a log that has ended", () => {
    const world = joined();
    expect(world.push(push("PresencePush: who left")).room.members.count).toBe(1);
    expect(world.push(push("PresencePush: who came")).room.members.users).toHaveLength(2);
    expect(world.push(push("PresencePush: full state")).room.members.users).toHaveLength(2);
    expect(world.push(push("TypingPush: somebody writes")).room.typists).toHaveLength(1);
    expect(world.push(push("ReadPush: read elsewhere")).room.read?.offset).toBe(2);
    world.taken();
    world.push(push("Reset: the log's end was lost"));
    expect(world.taken("join")[0]).not.toHaveProperty("since.offset");
  });

  test("notices, and refusals", () => {
    const world = joined();
    expect(world.push(push("Notice: degraded")).state.connection.degraded).toBe(true);
    expect(world.push(push("Notice: restored")).state.connection.degraded).toBe(false);
    world.post("3fK9-1", "Helo");
    const [command] = world.taken("post");
    const { error } = vector<Reply>("RefusalReply: an id used again");
    world.push({ type: "reply", ref: command?.ref ?? null, ...(error && { error }) });
    expect(world.progress["3fK9-1"]).not.toBe("sending");
    expect(world.push(push("Notice: draining")).state.connection.leaveAt).toBeCloseTo(world.now + 0.4);
  });
});
