import { useEffect, useId, useRef } from "preact/hooks";
import type { Board } from "./board";
import { titleOf } from "./Chart";
import { colour, ofModel, onScheme } from "./colours";
import type { Side } from "./timeline";
import { format } from "./units";

const UNIT_S = 1e-4;
const HEIGHT = 120;
const LEFT = 62;
const RIGHT = 6;
/** Rows that matter: from half a millisecond to half a minute. */
const LOWEST = 4;
const HIGHEST = 36;

const rowTop = (row: number) => UNIT_S * 2 ** ((row + 1) / 2);

function paint(canvas: HTMLCanvasElement, board: Board, side: Side): void {
  const context = canvas.getContext("2d");
  const width = canvas.clientWidth;
  if (context === null || width === 0) return;
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = HEIGHT * scale;
  context.scale(scale, scale);
  const { from, to } = board.span;
  const x = (t: number) => LEFT + ((t - from) / (to - from)) * (width - LEFT - RIGHT);
  const height = HEIGHT / (HIGHEST - LOWEST);
  const y = (row: number) => HEIGHT - (Math.min(HIGHEST - 1, Math.max(LOWEST, row)) - LOWEST + 1) * height;
  const { t } = board.timeline;
  const seconds = board.timeline.heat.get(side.label) ?? [];
  let first = t.findIndex((moment) => moment >= from - 1);
  if (first < 0) first = t.length;
  let most = 1;
  for (let index = first; index < t.length; index++) for (const [, count] of seconds[index] ?? []) most = Math.max(most, count);
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT - RIGHT, HEIGHT);
  context.clip();
  context.fillStyle = colour(ofModel(side.model));
  const wide = Math.max(1, x(from + 1) - x(from) + 0.5);
  for (let index = first; index <= board.last && (t[index] ?? 0) <= to; index++) {
    for (const [row, count] of seconds[index] ?? []) {
      // By the logarithm: one late delivery among thousands is what one looks for.
      context.globalAlpha = 0.25 + (0.75 * Math.log(count + 1)) / Math.log(most + 1);
      context.fillRect(x(t[index] ?? 0) - wide, y(row), wide, height);
    }
  }
  context.restore();
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const seconds of [0.001, 0.01, 0.1, 1, 10]) {
    const row = 2 * Math.log2(seconds / UNIT_S);
    const at = HEIGHT - (row - LOWEST) * height;
    context.fillStyle = colour("line");
    context.fillRect(LEFT, Math.round(at), width - LEFT - RIGHT, 1);
    context.fillStyle = colour("quiet");
    context.fillText(format(seconds, "seconds"), LEFT - 6, at);
  }
}

export function Heatmap({ board, side }: { board: Board; side: Side }) {
  const place = useRef<HTMLCanvasElement>(null);
  const id = useId();
  useEffect(() => {
    const canvas = place.current;
    if (canvas === null) return;
    const draw = () => paint(canvas, board, side);
    const sized = new ResizeObserver(draw);
    sized.observe(canvas);
    const ends = [board.onData(draw), onScheme(draw), () => sized.disconnect()];
    draw();
    return () => {
      for (const end of ends) end();
    };
  }, [board, side]);
  const name = titleOf(board, side.label);
  return (
    <section class="panel" aria-labelledby={id} data-testid={`heatmap-${side.label}`}>
      <header>
        <h3 id={id}>Latency over time</h3>
        <ul class="figures">
          <li data-kind={ofModel(side.model)}>
            <i class="swatch" aria-hidden="true" />
            <span class="side">{name}</span>
          </li>
        </ul>
      </header>
      <p class="about">Each second one column; the darker, the more deliveries took that long. Not to be confused with averages.</p>
      <canvas
        ref={place}
        role="img"
        aria-label={`Heatmap of delivery latency at ${name}, up to ${format(rowTop(HIGHEST - 1), "seconds")}`}
        style={{ height: `${HEIGHT}px` }}
      />
    </section>
  );
}
