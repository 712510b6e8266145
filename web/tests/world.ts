/** A client without a browser: a state, a clock, and the server's side of the conversation said by hand. */

import type { AnyCommand, AnyEntry, AnyPush, CommitResult, JoinResult, Position, Refusal } from "../src/protocol";
import { due, wakeAt } from "../src/state/due";
import { INITIAL, reduce } from "../src/state/reduce";
import type { Event, Posting, Room, State } from "../src/state/types";

export const ME = { id: "me", name: "Ada" };
export const BEA = { id: "bea", name: "Bea" };
export const E1 = "00000000000000e1";
export const E2 = "00000000000000e2";
export const ROOM = "lobby";

export function entry(offset: number, more: Partial<AnyEntry> = {}): AnyEntry {
  const head = { room: ROOM, epoch: E1, offset, at: 1000 + offset, id: `id${offset}`, user: BEA };
  return { ...head, type: "message", text: `text ${offset}`, ...more } as AnyEntry;
}

export const entries = (from: number, to: number): AnyEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i));

export class World {
  state: State = INITIAL;
  now = 1_000_000;
  sent: AnyCommand[] = [];

  on(event: Event): this {
    this.state = reduce(this.state, event);
    return this.flush();
  }

  /** Send whatever is due, as the connector would. */
  flush(): this {
    for (let command = due(this.state, this.now); command !== null; command = due(this.state, this.now)) {
      this.sent.push(command);
      this.state = reduce(this.state, { type: "sent", command, at: this.now });
    }
    return this;
  }

  wait(seconds: number): this {
    this.now += seconds;
    return this.on({ type: "tick", at: this.now });
  }

  get wakeAt(): number | null {
    return wakeAt(this.state, this.now);
  }

  /** Take what was sent since the last time, of one type or of all. */
  taken(type?: AnyCommand["type"]): AnyCommand[] {
    const taken = this.sent.filter((command) => type === undefined || command.type === type);
    this.sent = this.sent.filter((command) => !taken.includes(command));
    return taken;
  }

  push(push: AnyPush): this {
    return this.on({ type: "received", attempt: this.state.connection.attempt, push, at: this.now, chance: 0.5 });
  }

  reply(command: AnyCommand | undefined, result: JoinResult | CommitResult | Record<string, never>): this {
    return this.push({ type: "reply", ref: command?.ref ?? null, result });
  }

  refuse(command: AnyCommand | undefined, code: Refusal["code"], more: Partial<Refusal> = {}): this {
    return this.push({ type: "reply", ref: command?.ref ?? null, error: { code, message: code, ...more } });
  }

  open(): this {
    return this.on({ type: "opened", attempt: this.state.connection.attempt, at: this.now });
  }

  close(code = 1006): this {
    const { attempt } = this.state.connection;
    return this.on({ type: "closed", attempt, code, reason: "", at: this.now, chance: 0.5 });
  }

  checked(status: number, more: Partial<Extract<Event, { type: "checked" }>> = {}): this {
    const { attempt } = this.state.connection;
    const user = status === 200 ? ME : null;
    return this.on({ type: "checked", attempt, status, user, retryAfter: null, at: this.now, chance: 0.5, ...more });
  }

  /** Wait until the client connects again, and let it. */
  comeBack(): this {
    this.wait((this.state.connection.until ?? 0) - this.now + 0.001);
    return this.open();
  }

  post(id: string, text = id): this {
    const act: Posting = { type: "post", id, at: this.now, progress: "queued", text, reply_to: null };
    return this.on({ type: "did", room: ROOM, act });
  }

  get room(): Room {
    const room = this.state.rooms[ROOM];
    if (room === undefined) throw new Error("not in the room");
    return room;
  }

  get offsets(): number[] {
    return this.room.messages.map(({ offset }) => offset);
  }

  get progress(): Record<string, string> {
    return Object.fromEntries(this.room.acts.map(({ id, progress }) => [id, progress]));
  }
}

export function joinResult(messages: AnyEntry[], more: Partial<JoinResult> = {}): JoinResult {
  const offset = messages.at(-1)?.offset ?? 0;
  const members = { count: 1, users: [ME], sampled: false };
  return { epoch: E1, offset, recovered: false, messages, more: false, members, read: null, ...more };
}

/** A client that is live in the room, which holds messages 1 to `count`. */
export function live(count = 3): World {
  const world = new World();
  world.on({ type: "selected", room: ROOM }).checked(200).open();
  world.reply(world.taken("join")[0], joinResult(entries(1, count)));
  world.taken();
  return world;
}

export const at = (offset: number, epoch = E1): Position => ({ epoch, offset });
