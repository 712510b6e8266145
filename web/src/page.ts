/** The page around the chat: its address, its title, whether it is seen, and what it keeps. */

import { isShared, ownBase } from "./address";
import { ApiError, getAbout, getOlder, getRooms, getSession } from "./api";
import { endpoint } from "./connection";
import { ROOM_PATTERN } from "./protocol";
import { DEFAULT_ROOM } from "./state/rooms";
import type { State } from "./state/types";
import { unread } from "./state/view";
import { loadOutbox, loadRooms, saveOutbox, saveRooms } from "./storage";
import { now, type Store } from "./store";

const LIST_EVERY_MS = 20_000;
const ABOUT_AGAIN_MS = 3000;

/** Rooms' names need no escapes, so what has any names none. */
function roomInAddress(): string {
  const name = location.hash.slice(1);
  return ROOM_PATTERN.test(name) ? name : DEFAULT_ROOM;
}

/** Where to ask when the page's own server is silent. */
function otherBase(state: State): string | null {
  const base = endpoint(state);
  return base === ownBase(location) ? null : base;
}

function follow(store: Store): void {
  let shown: State = store.state;
  store.subscribe(() => {
    const { state } = store;
    if (state.current !== shown.current && state.current !== roomInAddress()) location.hash = state.current;
    if (state.order !== shown.order) saveRooms(state.order);
    if (state.order.some((name) => state.rooms[name]?.acts !== shown.rooms[name]?.acts)) saveOutbox(state);
    if (state.rooms !== shown.rooms || state.current !== shown.current) {
      const count = Object.values(state.rooms).reduce((sum, room) => sum + unread(room, state.user), 0);
      document.title = `${count > 0 ? `(${count}) ` : ""}#${state.current} – Tandem`;
    }
    if (state.connection.status === "live" && shown.connection.status !== "live") void listRooms(store);
    shown = state;
  });
}

export async function listRooms(store: Store): Promise<void> {
  if (store.state.user === null) return;
  const listing = await getRooms(otherBase(store.state)).catch(() => null);
  if (listing !== null) store.dispatch({ type: "listed", rooms: listing.rooms });
}

async function learnAbout(store: Store): Promise<void> {
  const about = await getAbout().catch(() => null);
  if (about === null) setTimeout(() => void learnAbout(store), ABOUT_AGAIN_MS);
  // Which one answered here says nothing of where the socket is: the page then names none, and offers no switch.
  else if (!isShared(about.twin?.address, location)) store.dispatch({ type: "about", about });
}

export async function loadOlder(store: Store, name: string): Promise<void> {
  const before = store.state.rooms[name]?.messages[0]?.offset;
  if (before === undefined || store.state.rooms[name]?.older !== "some") return;
  store.dispatch({ type: "asked_older", room: name });
  try {
    const { epoch, messages, more } = await getOlder(name, before, otherBase(store.state));
    store.dispatch({ type: "older", room: name, before, epoch, messages, more });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    store.dispatch({ type: "older_failed", room: name, before });
  }
}

/** Beside each other in frames, both sides are one person's: who has entered on the other one need not enter here. */
async function followIn(store: Store): Promise<void> {
  if (store.state.user !== null || store.state.connection.status !== "idle") return;
  const session = await getSession().catch(() => null);
  if (session !== null) store.dispatch({ type: "entered", user: session.user, at: now() });
}

export function openPage(store: Store): void {
  const { dispatch } = store;
  follow(store);
  dispatch({ type: "restored", rooms: loadRooms(), ...loadOutbox() });
  dispatch({ type: "selected", room: roomInAddress() });
  addEventListener("hashchange", () => dispatch({ type: "selected", room: roomInAddress() }));
  addEventListener("online", () => dispatch({ type: "network", online: true, at: now() }));
  addEventListener("offline", () => dispatch({ type: "network", online: false, at: now() }));
  document.addEventListener("visibilitychange", () => {
    const visible = document.visibilityState === "visible";
    dispatch({ type: "viewed", visible, atBottom: store.state.viewed.atBottom, at: now() });
    if (visible) dispatch({ type: "woke" });
  });
  if (self !== top) addEventListener("focus", () => void followIn(store));
  if (!navigator.onLine) dispatch({ type: "network", online: false, at: now() });
  void learnAbout(store);
  setInterval(() => document.visibilityState === "visible" && void listRooms(store), LIST_EVERY_MS);
}
