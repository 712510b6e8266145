import { useEffect, useId, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Board } from "./board";
import { colour, ofModel, onScheme } from "./colours";
import { markHappenings } from "./marks";
import { labelsOf, type Line, type Panel } from "./panels";
import { thinned } from "./paths";
import { SHARED } from "./timeline";
import { format } from "./units";

const HEIGHT = 150;
const MOST_ZOOM_S = 2;
const POWERS = Array.from({ length: 40 }, (_, power) => 2 ** power);
const TIED = "tandem";
const DASHES = [[], [7, 3], [3, 3], [10, 3, 2, 3]];

interface Series {
  label: string;
  line: Line;
  metric: string;
}

const modelOf = (board: Board, label: string): string => board.sides.find((side) => side.label === label)?.model ?? "";
export const titleOf = (board: Board, label: string): string =>
  label === SHARED ? "" : (board.sides.find((side) => side.label === label)?.title ?? label).replace(/ chat$/, "");

function seriesOf(panel: Panel, board: Board): Series[] {
  return panel.lines.flatMap((line) =>
    labelsOf(line, board).map((label) => ({
      label,
      line,
      metric: panel.id === "latency" ? board.percentile : line.metric,
    })),
  );
}

function look({ label, line }: Series, board: Board): uPlot.Series {
  const name = label === SHARED ? "neutral" : ofModel(modelOf(board, label));
  const place = Math.max(0, board.sides.findIndex((side) => side.label === label));
  return {
    stroke: () => colour(line.weight === "main" ? name : `${name}-faint`),
    width: line.weight === "main" ? 2 : 1.25,
    // All but the first are dashed, each its own way: who sees no colours tells them apart as well.
    dash: line.weight === "faint" ? [1, 2] : (DASHES[place] ?? [2, 2]),
    points: { show: false },
    paths: thinned,
    spanGaps: false,
  };
}

function values(panel: Panel, board: Board): uPlot.AlignedData {
  const columns = seriesOf(panel, board).map(({ label, metric }) => board.timeline.column(label, metric));
  const all = [board.timeline.t, ...columns];
  // A replay knows nothing of what comes.
  return (board.until === null ? all : all.map((column) => column.slice(0, board.last + 1))) as uPlot.AlignedData;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const moment = (board: Board, t: number): string =>
  board.clock === "wall" ? clock.format(t * 1000) : `${t.toFixed(0)} s`;

function options(panel: Panel, board: Board, width: number): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colour("quiet"),
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [6, 6, 0, 0],
    scales: {
      x: { time: false, range: () => [board.span.from, board.span.to] },
      y: { range: (_, __, max) => [0, Math.max(panel.least ?? 1, (max ?? 0) * 1.08)] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 2,
        space: 90,
        values: (_, ticks) => ticks.map((t) => (board.clock === "wall" ? clock.format(t * 1000) : `${t} s`)),
        incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800],
      },
      {
        ...axis,
        ...(panel.unit === "bytes" ? { incrs: POWERS } : {}),
        size: 62, gap: 4,
        space: 32,
        values: (_, ticks) => ticks.map((value) => format(value, panel.unit)),
      },
    ],
    series: [{}, ...seriesOf(panel, board).map((one) => look(one, board))],
    cursor: { sync: { key: TIED, setSeries: false }, points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
    plugins: [markHappenings(board)],
    hooks: {
      setCursor: [(plot) => board.setCursor(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 4) return;
          const from = plot.posToVal(left, "x");
          const to = plot.posToVal(left + wide, "x");
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          if (to - from >= MOST_ZOOM_S) board.setZoom({ from, to });
        },
      ],
    },
  };
}

/** Move the cursor, zoom and pause by the keys alone. */
function onKey(event: KeyboardEvent, board: Board, plot: uPlot | null): void {
  const { from, to } = board.span;
  const middle = (from + to) / 2;
  const zoom = (factor: number) => {
    const half = Math.max(MOST_ZOOM_S, ((to - from) / 2) * factor);
    board.setZoom({ from: middle - half, to: middle + half });
  };
  // Its types do not know the last argument, which moves the cursors of the other charts as well.
  const move = plot?.setCursor as ((to: { left: number; top: number }, fire: boolean, tied: boolean) => void) | undefined;
  const step = (by: number) => {
    const { last } = board;
    const index = Math.min(last, Math.max(0, (board.cursor ?? last) + by));
    const t = board.timeline.t[index];
    if (plot && t !== undefined) move?.({ left: plot.valToPos(t, "x"), top: plot.over.clientHeight / 2 }, true, true);
  };
  const act: Record<string, () => void> = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    Escape: () => board.setZoom(null),
    " ": () => board.setPaused(board.pausedAt === null),
  };
  const chosen = act[event.key];
  if (chosen === undefined) return;
  event.preventDefault();
  chosen();
}

export function Chart({ panel, board }: { panel: Panel; board: Board }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const id = useId();
  const [shown, setShown] = useState<(number | null)[]>([]);
  const all = seriesOf(panel, board);

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    let visible = true;
    const read = () => {
      const at = board.cursor ?? board.last;
      setShown(seriesOf(panel, board).map(({ label, metric }) => board.timeline.column(label, metric)[at] ?? null));
    };
    const draw = () => {
      if (plot.current === null) plot.current = new uPlot(options(panel, board, element.clientWidth), values(panel, board), element);
      else if (visible) plot.current.setData(values(panel, board));
      else return read();
      read();
      return true;
    };
    const drawSoon = () => board.soon(draw);
    const seen = new IntersectionObserver(([entry]) => {
      visible = entry?.isIntersecting ?? true;
      if (visible) drawSoon();
    });
    const sized = new ResizeObserver(() => {
      if (plot.current?.width !== element.clientWidth) plot.current?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    seen.observe(element);
    sized.observe(element);
    const ends = [board.onData(draw), board.onCursor(read), onScheme(drawSoon), () => seen.disconnect(), () => sized.disconnect()];
    read();
    drawSoon();
    return () => {
      for (const end of ends) end();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [panel, board]);

  const said = all
    .map(({ label, line }, index) => `${titleOf(board, label)} ${line.name} ${format(shown[index], panel.unit)}`.trim())
    .join(", ");
  return (
    <section class="panel" aria-labelledby={id} data-testid={`panel-${panel.id}`}>
      <header>
        <h3 id={id}>{panel.title}</h3>
        <ul class="figures">
          {all.map(({ label, line }, index) =>
            line.weight === "main" ? (
              <li key={label} data-kind={ofModel(modelOf(board, label))} data-testid={`${panel.id}-${label}`}>
                <i class="swatch" aria-hidden="true" />
                <span class="side">{titleOf(board, label)}</span> <b>{format(shown[index], panel.unit)}</b>
              </li>
            ) : null,
          )}
        </ul>
      </header>
      <p class="about">{panel.about}</p>
      <div
        class="plot"
        ref={place}
        tabIndex={0}
        role="img"
        aria-label={`${panel.title}: ${said}`}
        onKeyDown={(event) => onKey(event, board, plot.current)}
      />
    </section>
  );
}
