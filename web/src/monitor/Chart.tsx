import { useEffect, useId, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Board } from "./board";
import { colour, ofModel, onScheme } from "./colours";
import { markHappenings } from "./marks";
import { labelsOf, type Line, type Panel } from "./panels";
import { thinned } from "./paths";
import { dashOf, Swatch } from "./Swatch";
import { SHARED } from "./timeline";
import { format } from "./units";

const HEIGHT = 150;
const MOST_ZOOM_S = 2;
const POWERS = Array.from({ length: 40 }, (_, power) => 2 ** power);
const WHOLE = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
/** Labels of moments are as wide as this, and wider ones than half of it have no place at the edge. */
const LABEL_PX = 50;

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
    stroke: () => colour(line.weight === "main" && !board.ghosts.has(label) ? name : `${name}-faint`),
    width: line.weight === "main" ? 2 : 1.25,
    dash: line.weight === "faint" ? [1, 2] : [...dashOf(place)],
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
        size: 24,
        gap: 6,
        space: 90,
        values: (plot, ticks) =>
          ticks.map((t) => {
            if (board.clock === "run") return `${t} s`;
            return plot.valToPos(t, "x") < plot.over.clientWidth + 6 - LABEL_PX / 2 ? clock.format(t * 1000) : "";
          }),
        incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800],
      },
      {
        ...axis,
        ...(panel.unit === "bytes" ? { incrs: POWERS } : panel.unit === "count" ? { incrs: WHOLE } : {}),
        size: 62, gap: 4,
        space: 32,
        values: (_, ticks) => ticks.map((value) => format(value, panel.unit)),
      },
    ],
    series: [{}, ...seriesOf(panel, board).map((one) => look(one, board))],
    cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
    plugins: [markHappenings(board)],
    hooks: {
      setCursor: [(plot) => void (board.steered === panel.id && board.setCursor(plot.cursor.idx ?? null))],
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
function onKey(event: KeyboardEvent, board: Board): void {
  const { from, to } = board.span;
  const middle = (from + to) / 2;
  const zoom = (factor: number) => {
    const half = Math.max(MOST_ZOOM_S, ((to - from) / 2) * factor);
    board.setZoom({ from: middle - half, to: middle + half });
  };
  const step = (by: number) => {
    const { last } = board;
    board.steered = null;
    board.setCursor(Math.min(last, Math.max(0, (board.cursor ?? last) + by)));
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
    let made = false;
    /** The cursors of all charts are at the same moment: where the pointer is, or where the keys have brought them. */
    const follow = () => {
      if (!made || !visible || plot.current === null || board.steered === panel.id) return;
      const { cursorAt } = board;
      // Its types do not know the last argument: that nobody is to be told.
      const move = plot.current.setCursor as (to: { left: number; top: number }, fire: boolean) => void;
      move({ left: cursorAt === null ? -10 : plot.current.valToPos(cursorAt, "x"), top: 10 }, false);
    };
    const read = () => {
      const at = board.cursor ?? board.last;
      setShown(seriesOf(panel, board).map(({ label, metric }) => board.timeline.column(label, metric)[at] ?? null));
    };
    const draw = () => {
      read();
      if (!made) {
        made = true;
        plot.current?.destroy(); // that of a board which was shown before: until now it stood there
        plot.current = new uPlot(options(panel, board, element.clientWidth), values(panel, board), element);
      } else if (visible) plot.current?.batch((one: uPlot) => one.setData(values(panel, board)));
      else return false;
      follow();
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
    const pointed = () => {
      read();
      follow();
    };
    const ends = [board.onData(draw), board.onCursor(pointed), onScheme(drawSoon), () => seen.disconnect(), () => sized.disconnect()];
    read();
    drawSoon();
    return () => {
      for (const end of ends) end();
    };
  }, [panel, board]);
  useEffect(() => () => plot.current?.destroy(), []);

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
                <Swatch board={board} label={label} />
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
        onKeyDown={(event) => onKey(event, board)}
        onMouseMoveCapture={() => (board.steered = panel.id)}
        onMouseLeave={() => {
          board.steered = null;
          board.setCursor(null);
        }}
      />
    </section>
  );
}
