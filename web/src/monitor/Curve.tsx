import { useId } from "preact/hooks";
import { ofModel } from "./colours";
import { curveOf } from "./percentiles";
import type { StoredRun } from "./stored";
import { format } from "./units";

interface Line {
  label: string;
  kind: string;
  model: string;
  points: readonly (readonly [percentile: number, seconds: number])[];
}

const WIDTH = 360;
const HEIGHT = 150;
const LEFT = 52;
const BOTTOM = 20;
const MARKS = [0.5, 0.9, 0.99, 0.999];
const SHORTEST = 5e-4;
const TEXT = { fill: "var(--quiet)", "font-size": 11 };

function linesOf({ run, plan, trials }: StoredRun, kinds: readonly string[]): Line[] {
  const measured = new Set(plan.phases.filter((phase) => phase.measured).map((phase) => phase.name));
  return run.targets.flatMap(({ label, model }) => {
    const own = trials.filter((trial) => trial.label === label && trial.status === "complete");
    const phases = own.flatMap((trial) => trial.phases.filter((phase) => measured.has(phase.name)));
    return kinds.map((kind) => ({
      label,
      kind,
      model,
      points: curveOf(phases.map((phase) => phase.latency[kind]?.buckets ?? [])),
    }));
  });
}

/** Percentiles as nines: 90, 99 and 99.9 % are equally far apart. */
const nines = (part: number) => -Math.log10(1 - part);

function Plot({ title, about, lines }: { title: string; about: string; lines: readonly Line[] }) {
  const id = useId();
  const all = lines.flatMap((line) => line.points);
  const far = Math.max(2, ...all.map(([part]) => nines(part)));
  const [low, high] = [Math.log10(SHORTEST), Math.log10(Math.max(0.02, ...all.map(([, seconds]) => seconds)))];
  const x = (part: number) => LEFT + (nines(part) / far) * (WIDTH - LEFT - 8);
  const y = (seconds: number) =>
    HEIGHT - BOTTOM - ((Math.log10(Math.max(SHORTEST, seconds)) - low) / (high - low)) * (HEIGHT - BOTTOM - 8);
  const said = lines.map(({ label, kind, points }) => {
    const at = points.find(([part]) => part >= 0.99) ?? points.at(-1);
    return `${label} ${kind} ${format(at?.[1], "seconds")}`;
  });
  return (
    <section class="panel" aria-labelledby={id} data-testid={`curve-${lines[0]?.kind}`}>
      <header>
        <h3 id={id}>{title}</h3>
      </header>
      <p class="about">{about}</p>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${title}, 99th percentile: ${said.join(", ")}`}>
        {[0.001, 0.01, 0.1, 1, 10].filter((seconds) => Math.log10(seconds) <= high).map((seconds) => (
          <g key={seconds}>
            <line stroke="var(--line)" x1={LEFT} x2={WIDTH - 8} y1={y(seconds)} y2={y(seconds)} />
            <text x={LEFT - 6} y={y(seconds) + 4} text-anchor="end" {...TEXT}>
              {format(seconds, "seconds")}
            </text>
          </g>
        ))}
        {MARKS.filter((part) => nines(part) <= far).map((part) => (
          <g key={part}>
            <line stroke="var(--line)" x1={x(part)} x2={x(part)} y1={8} y2={HEIGHT - BOTTOM} />
            <text x={x(part)} y={HEIGHT - 6} text-anchor="middle" {...TEXT}>
              {`${+(part * 100).toFixed(1)} %`}
            </text>
          </g>
        ))}
        {lines.map(({ label, kind, model, points }) => (
          <polyline
            key={`${label}${kind}`}
            fill="none"
            stroke={`var(--${ofModel(model)}${kind === lines[0]?.kind ? "" : "-faint"})`}
            stroke-width={kind === lines[0]?.kind ? 2 : 1}
            stroke-dasharray={model === "wsgi" ? "6 4" : undefined}
            points={points.map(([part, seconds]) => `${x(part).toFixed(1)},${y(seconds).toFixed(1)}`).join(" ")}
          />
        ))}
      </svg>
    </section>
  );
}

/** What a percentile over time cannot show: how long the slowest took, and how far the last listener is behind the first. */
export function Curves({ run }: { run: StoredRun }) {
  if (run.verdict?.validity !== "valid") return null;
  const delivery = linesOf(run, ["delivery", "uncorrected"]);
  const listeners = linesOf(run, ["last", "first"]);
  if (!delivery.some((line) => line.points.length > 1)) return null;
  return (
    <div class="grid">
      <Plot
        title="Latency curve"
        about="Delivery, from when it was meant to be sent; faint: what a closed loop would have seen."
        lines={delivery}
      />
      <Plot title="The last and the first listener" about="Of each message; faint: the first one to have it." lines={listeners} />
    </div>
  );
}
