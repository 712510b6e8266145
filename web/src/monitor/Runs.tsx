import { useCallback, useEffect, useState } from "preact/hooks";
import type { Live, MonitorState } from "./live";
import { Measure } from "./Measure";
import { RunView } from "./RunView";
import { checked, DamagedRun, type StoredRun } from "./stored";
import { unzip } from "./unzip";

const AGAIN_MS = 2000;

interface Listed {
  id: string;
  scenario: string;
  question: string;
  began: number;
  status: string;
  outcome: string | null;
  headline: string;
  targets: readonly string[];
  demo: boolean;
  error: string;
}

async function get<Result>(path: string): Promise<Result> {
  const answer = await fetch(path).catch(() => null);
  if (answer === null) throw new DamagedRun("The monitor does not answer.");
  const told = (await answer.json().catch(() => ({}))) as Result & { detail?: string };
  if (!answer.ok) throw new DamagedRun(told.detail ?? `The monitor answers ${answer.status}.`);
  return told;
}

const when = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** Drop a zip anywhere on the page, or choose one. */
export function Opener({ onRuns, onError }: { onRuns: (runs: StoredRun[]) => void; onError: (error: string) => void }) {
  const open = useCallback(
    (files: FileList | null | undefined) => {
      if (!files?.length) return;
      Promise.all([...files].map(unzip)).then(
        (found) => onRuns(found.flat()),
        (error: unknown) => onError(error instanceof DamagedRun ? error.message : String(error)),
      );
    },
    [onRuns, onError],
  );
  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      open(event.dataTransfer?.files);
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, [open]);
  return (
    <label class="opener">
      Open a zip of run directories, or drop one here:{" "}
      <input type="file" accept=".zip" multiple data-testid="open-zip" onChange={(event) => open(event.currentTarget.files)} />
    </label>
  );
}

function List({ onOpen, onError }: { onOpen: (ids: string[]) => void; onError: (error: string) => void }) {
  const [runs, setRuns] = useState<readonly Listed[] | null>(null);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  useEffect(() => {
    const load = () =>
      get<{ runs: Listed[] }>("api/monitor/runs").then(
        (found) => setRuns(found.runs),
        (error: unknown) => onError(String(error)),
      );
    void load();
    const timer = setInterval(() => void load(), 5000);
    return () => clearInterval(timer);
  }, [onError]);
  if (runs === null) return <p class="quiet">Looking for runs…</p>;
  if (runs.length === 0) {
    return (
      <p class="quiet" data-testid="no-runs">
        No run is stored yet. <code>python -m loadtest run small --target async --target sync</code> makes one.
      </p>
    );
  }
  return (
    <>
      <button type="button" class="primary" disabled={chosen.length < 2} data-testid="compare-runs" onClick={() => onOpen([...chosen])}>
        Compare {chosen.length > 1 ? `these ${chosen.length}` : "two or more"}
      </button>
      <table class="list">
        <thead>
          <tr>
            <th>
              <span class="unseen">Choose</span>
            </th>
            <th>Scenario</th>
            <th>Began</th>
            <th>Of</th>
            <th>Outcome</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id} data-testid="run">
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose ${run.id}`}
                  disabled={run.error !== ""}
                  checked={chosen.includes(run.id)}
                  onChange={() => setChosen(chosen.includes(run.id) ? chosen.filter((id) => id !== run.id) : [...chosen, run.id])}
                />
              </td>
              <td>{run.error ? run.id : <a href={`#/runs/${run.id}`}>{run.scenario}</a>}</td>
              <td>{run.began ? when.format(run.began * 1000) : ""}</td>
              <td>{run.targets.join(", ")}</td>
              <td data-outcome={run.outcome ?? run.status}>
                {run.error ? (
                  <span class="error">{run.error}</span>
                ) : (
                  <>
                    <b>{run.outcome ?? run.status}</b> <span class="quiet">{run.headline}</span>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

export function Runs({ path, live, state }: { path: string; live: Live; state: MonitorState }) {
  const [runs, setRuns] = useState<StoredRun[] | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    setError("");
    setRuns(null);
    if (path === "") return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      try {
        const found = path.split("+").map(async (id) => checked(await get(`api/monitor/runs/${encodeURIComponent(id)}`), id));
        const whole = await Promise.all(found);
        setRuns(whole);
        // What is still being measured is looked at again and again.
        if (whole.some(({ run }) => run.status === "running")) timer = setTimeout(() => void load(), AGAIN_MS);
      } catch (reason) {
        setError(reason instanceof Error ? reason.message : String(reason));
      }
    };
    void load();
    return () => clearTimeout(timer);
  }, [path]);
  const open = useCallback((ids: string[]) => {
    location.hash = `#/runs/${ids.join("+")}`;
  }, []);
  return (
    <main class="runs">
      {error && (
        <p class="error" role="alert" data-testid="run-error">
          {error}
        </p>
      )}
      {runs !== null ? (
        <>
          <p>
            <a href="#/runs" onClick={() => setRuns(null)}>
              ← All runs
            </a>
          </p>
          <RunView runs={runs} />
        </>
      ) : path === "" || error ? (
        <>
          <Measure live={live} state={state} />
          <Opener onRuns={setRuns} onError={setError} />
          <List onOpen={open} onError={setError} />
        </>
      ) : (
        <p class="quiet">Reading…</p>
      )}
    </main>
  );
}
