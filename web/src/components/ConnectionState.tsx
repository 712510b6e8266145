import { useEffect, useState } from "preact/hooks";
import type { Connection } from "../state/types";
import { health, type Health } from "../state/view";
import { now } from "../store";
import { useActions } from "./actions";

const WORDS: Record<Health, string> = {
  connecting: "Connecting",
  live: "Live",
  degraded: "Delayed",
  reconnecting: "Reconnecting",
  offline: "Offline",
  ended: "Disconnected",
};

/** Whole seconds until a time, counting down. */
function useCountdown(until: number): number {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 250);
    return () => clearInterval(timer);
  }, [until]);
  return Math.max(0, Math.ceil(until - now()));
}

export function ConnectionState({ connection }: { connection: Connection }) {
  const state = health(connection);
  return (
    <span class="connection" data-state={state} data-testid="connection-state" role="status">
      <i aria-hidden="true" />
      <span>{WORDS[state]}</span>
    </span>
  );
}

function Waiting({ connection, offline }: { connection: Connection; offline: boolean }) {
  const actions = useActions();
  const seconds = useCountdown(connection.until);
  const waiting = connection.status === "waiting" && seconds > 0;
  return (
    <>
      <span>
        {offline ? "Your device seems to be offline. " : "The connection was lost. "}
        {waiting ? `Reconnecting in ${seconds} s` : "Reconnecting…"}
      </span>
      {waiting && (
        <button type="button" class="small" onClick={() => actions.reconnect()}>
          Connect now
        </button>
      )}
    </>
  );
}

/** What is wrong with the connection and what happens next; nothing while all is well. */
export function ConnectionBanner({ connection }: { connection: Connection }) {
  const actions = useActions();
  const state = health(connection);
  if (state === "live" || state === "connecting") return null;
  return (
    <div class="banner" data-state={state}>
      {state === "degraded" && <span>Messages are delayed at the moment. What you write is kept and sent when it works.</span>}
      {(state === "reconnecting" || state === "offline") && (
        <Waiting connection={connection} offline={state === "offline"} />
      )}
      {state === "ended" && (
        <>
          <span>The server ended the connection: {connection.reason}.</span>
          <button type="button" class="small" onClick={() => actions.reconnect()}>
            Reconnect
          </button>
        </>
      )}
    </div>
  );
}
