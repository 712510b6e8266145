import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Board } from "./board";
import { Charts, Tools } from "./Charts";
import { Curves } from "./Curve";
import { boardOf, type StoredRun, type Verdict } from "./stored";
import { format } from "./units";

const SPEEDS = [1, 4, 16] as const;
const STEP_MS = 100;

/** Play what happened, or pull it to any moment. */
function Replay({ board }: { board: Board }) {
  const { from, to } = board.whole ?? board.span;
  /** Null at the end, wherever that is: a run that goes on has a later one. */
  const [chosen, setAt] = useState<number | null>(null);
  const at = Math.min(to, chosen ?? to);
  const [speed, setSpeed] = useState(0);
  useEffect(() => board.setUntil(at >= to ? null : at), [board, at, to]);
  useEffect(() => {
    if (speed === 0) return;
    const timer = setInterval(() => setAt((now) => (now === null || now >= to ? null : now + (speed * STEP_MS) / 1000)), STEP_MS);
    return () => clearInterval(timer);
  }, [speed, to]);
  useEffect(() => {
    if (at < to) return;
    setSpeed(0);
    setAt(null);
  }, [at, to]);
  return (
    <div class="replay" role="group" aria-label="Replay">
      {SPEEDS.map((one) => (
        <button
          key={one}
          type="button"
          class="small"
          aria-pressed={speed === one}
          data-testid={`replay-${one}`}
          onClick={() => {
            if (at >= to) setAt(from);
            setSpeed(speed === one ? 0 : one);
          }}
        >
          {one === 1 ? "Replay" : `${one}×`}
        </button>
      ))}
      <input
        type="range"
        min={from}
        max={to}
        step={0.1}
        value={at}
        aria-label="Moment"
        aria-valuetext={`${at.toFixed(0)} seconds`}
        data-testid="replay-slider"
        onInput={(event) => {
          setSpeed(0);
          const wanted = Number(event.currentTarget.value);
          setAt(wanted >= to ? null : wanted);
        }}
      />
      <output>{at.toFixed(0)} s</output>
    </div>
  );
}

const MARKS = { held: "✓", missed: "✕", unseen: "?" } as const;

/** What was promised or expected, and whether it came so. */
function Point({ held, names, children }: { held: boolean | null; names: readonly [string, string]; children: ComponentChildren }) {
  const [yes, no] = names;
  return (
    <li data-held={held}>
      <span class="mark" aria-label={held === null ? "not to be seen here" : held ? yes : no} role="img">
        {MARKS[held === null ? "unseen" : held ? "held" : "missed"]}
      </span>{" "}
      {children}
    </li>
  );
}

function Expected({ text, verdict }: { text: string; verdict: Verdict }) {
  return (
    <>
      <p>
        <b>Hypothesis</b> {text}
      </p>
      <ul data-testid="run-hypothesis">
        {verdict.hypothesis?.map((one) => (
          <Point key={one.text} held={one.held} names={["confirmed", "not confirmed"]}>
            {one.text}{" "}
            <span class="quiet">
              (expected {one.expected}, found {one.found})
            </span>
          </Point>
        ))}
      </ul>
    </>
  );
}

function Limits({ verdict }: { verdict: Verdict }) {
  return (
    <ul>
      {verdict.capacity.map((one) => (
        <li key={one.label}>
          {one.label}: {one.phase === null ? "holds no step" : `holds ${one.phase}`}
          {one.deliveries_per_second !== null && `, ${format(one.deliveries_per_second, "rate")} delivered`}
          <span class="quiet"> (beyond: {one.limit})</span>
        </li>
      ))}
      {Object.entries(verdict.stopped_by).map(([label, what]) => (
        <li key={label}>
          <span class="quiet">What stopped {label}:</span> {what}
        </li>
      ))}
    </ul>
  );
}

function Judgement({ verdict, hypothesis }: { verdict: Verdict; hypothesis: string }) {
  return (
    <section class="judgement" data-outcome={verdict.outcome} data-testid="run-verdict">
      <p>
        <b>{verdict.validity === "void" ? "void" : verdict.outcome}</b> {verdict.headline}
      </p>
      {verdict.reasons.map((reason) => (
        <p key={reason} class="error">
          {reason}
        </p>
      ))}
      <ul>
        {verdict.objectives.map((one) => (
          <Point key={`${one.label}${one.name}`} held={one.held} names={["held", "missed"]}>
            {one.label}: {one.name} <span class="quiet">({one.limit})</span>
          </Point>
        ))}
      </ul>
      <Expected text={hypothesis} verdict={verdict} />
      <Limits verdict={verdict} />
      {verdict.comparisons.length > 0 && (
        <table>
          <caption>Compared</caption>
          <thead>
            <tr>
              <th>Figure</th>
              <th>Between</th>
              <th>Ratio, 95 % interval</th>
              <th>Finding</th>
            </tr>
          </thead>
          <tbody>
            {verdict.comparisons.map((one) => (
              <tr key={`${one.metric}${one.phase}${one.a}${one.b}`}>
                <td>
                  {one.metric} {one.phase && <span class="quiet">{one.phase}</span>}
                </td>
                <td>
                  {one.b} / {one.a}
                </td>
                <td>
                  {one.ratio === null ? "–" : `${one.ratio.toFixed(2)}${one.low === null || one.high === null ? "" : ` (${one.low.toFixed(2)} to ${one.high.toFixed(2)})`}`}
                </td>
                <td>
                  {one.finding}
                  {one.better ? `: ${one.better} is better` : ""}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Books({ run }: { run: StoredRun }) {
  return (
    <details>
      <summary>Ledger</summary>
      <table>
        <thead>
          <tr>
            <th>Trial</th>
            <th>Intended</th>
            <th>Delivered</th>
            <th>Found</th>
            <th>Lost to</th>
          </tr>
        </thead>
        <tbody>
          {run.trials.map((trial) => (
            <tr key={`${trial.label}${trial.repeat}`}>
              <td>
                {trial.label} {trial.repeat + 1}
              </td>
              <td>{format(trial.denominators.intended, "count")}</td>
              <td data-testid={`delivered-${trial.label}-${trial.repeat}`}>{trial.denominators.delivered.toLocaleString("en")}</td>
              <td>
                {Object.entries(trial.ledger)
                  .filter(([, count]) => count > 0)
                  .map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`)
                  .join(", ") || "nothing wrong"}
              </td>
              <td>{trial.losses.map((loss) => `${loss.deliveries} ${loss.cause}`).join(", ") || "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function Circumstances({ run }: { run: StoredRun }) {
  const labels = run.run.targets.map((target) => target.label);
  const differing = run.fairness.settings.filter((setting) => !setting.equal);
  return (
    <details>
      <summary>
        Fairness: {run.fairness.settings.length} {run.fairness.settings.length === 1 ? "setting" : "settings"}, {differing.length} differ
      </summary>
      <table>
        <thead>
          <tr>
            <th>Setting</th>
            {labels.map((label) => (
              <th key={label}>{label}</th>
            ))}
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {run.fairness.settings.map((setting) => (
            <tr key={setting.name} data-equal={setting.equal}>
              <td>{setting.name}</td>
              {labels.map((label) => (
                <td key={label}>{setting.values[label] ?? "–"}</td>
              ))}
              <td>{setting.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl>
        {Object.entries(run.environment).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

export function RunView({ runs }: { runs: readonly StoredRun[] }) {
  const repeats = Math.min(...runs.map(({ run }) => run.repeats));
  const [repeat, setRepeat] = useState(0);
  const board = useMemo(() => boardOf(runs, repeat), [runs, repeat]);
  return (
    <>
      {runs.map((run, number) => (
        <article key={run.run.id} class="run" data-testid="run-view">
          <h2>
            {runs.length > 1 ? `${number + 1} · ` : ""}
            {run.run.scenario} <span class="quiet">{run.run.id}</span>
          </h2>
          {run.run.question && <p>{run.run.question}</p>}
          {run.run.demo && <p class="quiet">Both ran at once on shared CPUs: a demonstration, no evidence.</p>}
          {run.verdict ? <Judgement verdict={run.verdict} hypothesis={run.run.hypothesis} /> : <p class="quiet">No verdict: it is {run.run.status}.</p>}
          <Curves run={run} />
          <Books run={run} />
          <Circumstances run={run} />
        </article>
      ))}
      <Tools board={board} live={false}>
        {repeats > 1 && (
          <label>
            Repeat{" "}
            <select value={repeat} onChange={(event) => setRepeat(Number(event.currentTarget.value))}>
              {Array.from({ length: repeats }, (_, index) => (
                <option key={index} value={index}>
                  {index + 1} of {repeats}
                </option>
              ))}
            </select>
          </label>
        )}
        <Replay key={`${repeat}`} board={board} />
      </Tools>
      <Charts board={board} />
    </>
  );
}
