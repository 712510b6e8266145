/** The REST calls of the client. Every failure is an ApiError; its status is 0 where no answer came. */

import { ownBase } from "./address";
import type { About, CurrentSession, IssuedSession, MessagePage, Rooms } from "./protocol";

const PATIENCE_MS = 8000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Seconds, where the server said. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

async function failure(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get("Retry-After"));
  const problem = (await response.json().catch(() => null)) as { title?: string; detail?: string } | null;
  const message = problem?.detail ?? problem?.title ?? `the server answered ${response.status}`;
  return new ApiError(response.status, message, wait > 0 ? wait : null);
}

async function call<Result>(method: string, path: string, body?: unknown, base = ownBase(location)): Promise<Result> {
  const request: RequestInit = {
    method,
    credentials: "include",
    signal: AbortSignal.timeout(PATIENCE_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  };
  const response = await fetch(base + path, request).catch(() => null);
  if (response === null) throw new ApiError(0, "the server cannot be reached");
  if (!response.ok) throw await failure(response);
  if (response.status === 204) return undefined as Result;
  return response.json().catch(() => {
    throw new ApiError(0, "the server's answer could not be read");
  }) as Promise<Result>;
}

/** Ask the page's own server, and where that is silent the other one: after a switch, it may be down for good. */
async function read<Result>(path: string, other: string | null): Promise<Result> {
  try {
    return await call<Result>("GET", path);
  } catch (error) {
    if (other === null || !(error instanceof ApiError) || error.status !== 0) throw error;
    return call<Result>("GET", path, undefined, other);
  }
}

export const getSession = (): Promise<CurrentSession> => call("GET", "/api/session");
export const createSession = (name: string): Promise<IssuedSession> => call("POST", "/api/session", { name });
export const deleteSession = (): Promise<void> => call("DELETE", "/api/session");
export const getAbout = (): Promise<About> => call("GET", "/api/about");
export const getRooms = (other: string | null): Promise<Rooms> => read("/api/rooms", other);
export const getOlder = (room: string, before: number, other: string | null): Promise<MessagePage> =>
  read(`/api/rooms/${encodeURIComponent(room)}/messages?before=${before}&limit=50`, other);
