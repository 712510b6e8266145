import type { Board } from "./board";
import { ofModel } from "./colours";
import { Swatch } from "./Swatch";
import type { Side } from "./timeline";
import { format, type Unit } from "./units";
import { useBoard } from "./useBoard";

const SHOWN: readonly (readonly [metric: string, title: string, unit: Unit])[] = [
  ["open", "Connections", "count"],
  ["dlv", "Deliveries", "rate"],
  ["relay99", "Relay lag p99", "seconds"],
  ["lag99", "Scheduler lag p99", "seconds"],
  ["cpu", "CPU", "cpu"],
  ["rss", "Memory", "bytes"],
];
const SECONDS = 60;
const WIDE = 120;
const HIGH = 26;

function path(board: Board, side: Side, metric: string, most: number): string {
  const { t } = board.timeline;
  const column = board.timeline.column(side.label, metric);
  const end = t.at(-1) ?? 0;
  let pen = "M";
  let drawn = "";
  for (let index = Math.max(0, t.length - SECONDS - 1); index < t.length; index++) {
    const value = column[index];
    if (value === null || value === undefined) {
      pen = "M";
      continue;
    }
    const x = WIDE * (1 - (end - (t[index] ?? 0)) / SECONDS);
    drawn += `${pen}${x.toFixed(1)} ${(HIGH - 1 - (value / most) * (HIGH - 2)).toFixed(1)}`;
    pen = "L";
  }
  return drawn;
}

function largest(board: Board, metric: string): number {
  const recent = board.labels.flatMap((label) => board.timeline.column(label, metric).slice(-SECONDS));
  return Math.max(1e-9, ...recent.map((value) => value ?? 0));
}

/** The last minute of both, small: one row per figure, the same scale for both sides. */
export function Strip({ board }: { board: Board }) {
  useBoard(board);
  return (
    <section class="strip" aria-label="The last minute">
      {SHOWN.map(([metric, title, unit]) => {
        const most = largest(board, metric);
        return (
          <figure key={metric}>
            <figcaption>{title}</figcaption>
            <svg viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" aria-hidden="true">
              {board.sides.map((side, index) => (
                <path key={side.label} d={path(board, side, metric, most)} data-kind={ofModel(side.model)} class={index > 0 ? "dashed" : ""} />
              ))}
            </svg>
            <dl>
              {board.sides.map((side) => (
                <div key={side.label} data-kind={ofModel(side.model)}>
                  <dt>{side.title.replace(/ chat$/, "")}</dt>
                  <dd>
                    <Swatch board={board} label={side.label} />
                    <span data-testid={`strip-${metric}-${side.label}`}>{format(board.timeline.latest(side.label, metric), unit)}</span>
                  </dd>
                </div>
              ))}
            </dl>
          </figure>
        );
      })}
      <a class="more" href="#/compare">
        Compare, and hurt them{"\u00a0"}→
      </a>
    </section>
  );
}
