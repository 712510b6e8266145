import { useEffect, useId, useRef } from "preact/hooks";
import type { Board } from "./board";
import { titleOf } from "./Chart";
import { colour, ofModel, onScheme } from "./colours";
import { mark } from "./marks";
import { Swatch } from "./Swatch";
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

/** What is drawn before it is coloured and brought to its size: a pixel for each row. */
const small = document.createElement("canvas");

/** Put together what falls into one pixel: of an hour that is ten seconds. A column shows the fullest of its seconds. */
function shades(board: Board, label: string, columns: number): ImageData {
  const { from, to } = board.span;
  const { t } = board.timeline;
  const seconds = board.timeline.heat.get(label) ?? [];
  const rows = HIGHEST - LOWEST;
  const counts = new Float64Array(columns * rows);
  let most = 1;
  const x = (moment: number) => Math.floor(((moment - from) / (to - from)) * columns);
  for (let index = board.last; index >= 0 && (t[index] ?? 0) >= from; index--) {
    const moment = t[index] ?? 0;
    const left = Math.max(0, x(moment - 1));
    const right = Math.min(columns, Math.max(left + 1, x(moment)));
    for (const [row, count] of seconds[index] ?? []) {
      most = Math.max(most, count);
      const place = (HIGHEST - 1 - Math.min(HIGHEST - 1, Math.max(LOWEST, row))) * columns;
      for (let column = left; column < right; column++) counts[place + column] = Math.max(counts[place + column] ?? 0, count);
    }
  }
  const image = new ImageData(columns, rows);
  counts.forEach((count, place) => {
    // By the logarithm: one late delivery among thousands is what one looks for.
    if (count > 0) image.data[place * 4 + 3] = 255 * (0.25 + (0.75 * Math.log(count + 1)) / Math.log(most + 1));
  });
  return image;
}

function paint(canvas: HTMLCanvasElement, board: Board, side: Side): void {
  const context = canvas.getContext("2d");
  const width = canvas.clientWidth;
  if (context === null || width === 0) return;
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = HEIGHT * scale;
  context.scale(scale, scale);
  const inner = width - LEFT - RIGHT;
  const image = shades(board, side.label, Math.max(1, Math.round(inner * scale)));
  small.width = image.width;
  small.height = image.height;
  const pen = small.getContext("2d");
  if (pen === null) return;
  pen.putImageData(image, 0, 0);
  pen.globalCompositeOperation = "source-in";
  pen.fillStyle = colour(ofModel(side.model));
  pen.fillRect(0, 0, small.width, small.height);
  const x = (t: number) => LEFT + ((t - board.span.from) / (board.span.to - board.span.from)) * inner;
  mark(context, board, { left: LEFT, top: 0, width: inner, height: HEIGHT }, 1, x);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, LEFT, 0, inner, HEIGHT);
  const height = HEIGHT / (HIGHEST - LOWEST);
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
  const pointer = useRef<HTMLElement>(null);
  const id = useId();
  useEffect(() => {
    const canvas = place.current;
    if (canvas === null) return;
    let visible = false;
    const point = () => {
      const { from, to } = board.span;
      const part = ((board.cursorAt ?? NaN) - from) / (to - from);
      if (pointer.current === null) return;
      pointer.current.hidden = !(part >= 0 && part <= 1);
      pointer.current.style.left = `${LEFT + part * (canvas.clientWidth - LEFT - RIGHT)}px`;
    };
    const draw = () => {
      if (visible) paint(canvas, board, side);
      point();
      return visible;
    };
    const drawSoon = () => board.soon(draw);
    const seen = new IntersectionObserver(([entry]) => {
      visible = entry?.isIntersecting ?? true;
      drawSoon();
    });
    const sized = new ResizeObserver(drawSoon);
    seen.observe(canvas);
    sized.observe(canvas);
    const ends = [board.onData(draw), board.onCursor(point), onScheme(drawSoon), () => seen.disconnect(), () => sized.disconnect()];
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
            <Swatch board={board} label={side.label} />
            <span class="side">{name}</span>
          </li>
        </ul>
      </header>
      <p class="about">A column for each second, or for the fullest of the seconds of a pixel: the darker, the more deliveries took that long.</p>
      <div class="heat">
        <canvas
          ref={place}
          role="img"
          aria-label={`Heatmap of delivery latency at ${name}, up to ${format(rowTop(HIGHEST - 1), "seconds")}`}
          style={{ height: `${HEIGHT}px` }}
        />
        <i ref={pointer} class="pointer" aria-hidden="true" hidden />
      </div>
    </section>
  );
}
