/** What outlives the page: rooms and name in this browser, unfinished posts in this tab. */

import { ROOM_PATTERN } from "./protocol";
import { posts } from "./state/view";
import type { Posting, State } from "./state/types";

const ROOMS = "tandem.rooms";
const NAME = "tandem.name";
const OUTBOX = "tandem.outbox";
const MOST_ROOMS = 20;

interface Outbox {
  author: string | null;
  acts: Record<string, Posting[]>;
}

/** Storage may be full, forbidden or filled by somebody else; the chat goes on without it. */
function load<Value>(storage: () => Storage, key: string, otherwise: Value): Value {
  try {
    return (JSON.parse(storage().getItem(key) ?? "null") as Value) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function save(storage: () => Storage, key: string, value: unknown): void {
  try {
    storage().setItem(key, JSON.stringify(value));
  } catch {
    // See load.
  }
}

const lasting = (): Storage => localStorage;
const ofTab = (): Storage => sessionStorage;

export const loadName = (): string => load(lasting, NAME, "");
export const saveName = (name: string): void => save(lasting, NAME, name);

export function loadRooms(): string[] {
  const rooms = load<unknown>(lasting, ROOMS, []);
  const valid = Array.isArray(rooms) ? rooms.filter((name) => typeof name === "string" && ROOM_PATTERN.test(name)) : [];
  return valid.slice(-MOST_ROOMS);
}

export const saveRooms = (order: readonly string[]): void => save(lasting, ROOMS, order);

/** What was in flight when the page went away may or may not have arrived. */
export function loadOutbox(): Outbox {
  const { author, acts } = load<Outbox>(ofTab, OUTBOX, { author: null, acts: {} });
  const unsure = (act: Posting): Posting => (act.progress === "sending" ? { ...act, progress: "unknown" } : act);
  return { author, acts: Object.fromEntries(Object.entries(acts).map(([room, kept]) => [room, kept.map(unsure)])) };
}

export function saveOutbox({ author, rooms }: State): void {
  const unfinished = Object.values(rooms).map((room) => [room.name, posts(room).filter((act) => act.progress !== "sent")]);
  save(ofTab, OUTBOX, { author, acts: Object.fromEntries(unfinished.filter(([, kept]) => kept?.length)) });
}
