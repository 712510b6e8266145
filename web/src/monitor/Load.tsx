import { useState } from "preact/hooks";
import { type Live, type MonitorState, Refused } from "./live";

const FIELDS = [
  ["members", "Members", 40, 2, 500],
  ["rooms", "Rooms", 4, 1, 50],
  ["rate", "Messages per second", 8, 0.1, 200],
] as const;

/** Ask, and keep what was said against it. */
export function useAsking(): [string, boolean, (ask: () => Promise<void>) => void] {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const run = (ask: () => Promise<void>) => {
    setBusy(true);
    setError("");
    ask()
      .catch((reason: unknown) => setError(reason instanceof Refused ? reason.message : String(reason)))
      .finally(() => setBusy(false));
  };
  return [error, busy, run];
}

export function Load({ live, state }: { live: Live; state: MonitorState }) {
  const [size, setSize] = useState({ members: "40", rooms: "4", rate: "8" });
  const [error, busy, run] = useAsking();
  if (!state.owned) return null;
  const wanted = Object.fromEntries(Object.entries(size).map(([name, text]) => [name, Number(text)]));
  return (
    <section class="load" aria-label="Load">
      {state.load ? (
        <>
          <p data-testid="load-running">
            <b>Load is on:</b> {state.load.members} members in {state.load.rooms} rooms at each backend, {state.load.rate} messages/s.{" "}
            <span class="quiet">Both at once on shared CPUs: a demonstration, no evidence.</span>
          </p>
          <button type="button" class="small" disabled={busy} data-testid="load-stop" onClick={() => run(() => live.stopLoad())}>
            Stop the load
          </button>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run(() => live.startLoad(wanted));
          }}
        >
          <button type="submit" class="primary" disabled={busy} data-testid="load-start">
            {busy ? "Letting people in…" : "Start a load"}
          </button>
          {FIELDS.map(([name, title]) => (
            <label key={name}>
              {title}
              <input
                inputMode="decimal"
                value={size[name]}
                data-testid={`load-${name}`}
                onInput={(event) => setSize({ ...size, [name]: event.currentTarget.value })}
              />
            </label>
          ))}
          <span class="quiet">on each backend, both at once: a demonstration, no evidence</span>
        </form>
      )}
      {error && (
        <p class="error" role="alert" data-testid="load-error">
          {error}
        </p>
      )}
    </section>
  );
}
