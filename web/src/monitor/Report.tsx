import { useState } from "preact/hooks";
import { Opener } from "./Runs";
import { RunView } from "./RunView";
import type { StoredRun } from "./stored";

/** The page without a monitor: what a report has inside, or what is dropped onto it. */
export function Report({ found, said }: { found: StoredRun[] | null; said: string }) {
  const [runs, setRuns] = useState(found);
  const [error, setError] = useState(said);
  return (
    <div class="monitor">
      <header class="top">
        <h1>Tandem</h1>
        <span class="quiet">{runs ? "load test report" : "no run inside"}</span>
      </header>
      <main class="runs report">
        {error && (
          <p class="error" role="alert" data-testid="run-error">
            {error}
          </p>
        )}
        {runs ? <RunView runs={runs} /> : <Opener onRuns={setRuns} onError={setError} />}
      </main>
    </div>
  );
}
