import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Board, WINDOWS } from "./board";
import { Chart } from "./Chart";
import { Closes } from "./Closes";
import { ofModel } from "./colours";
import { Happenings } from "./Happenings";
import { Heatmap } from "./Heatmap";
import { labelsOf, PANELS, PERCENTILES, type Panel } from "./panels";
import { Pointed } from "./Pointed";
import { Swatch } from "./Swatch";
import { useBoard } from "./useBoard";

const GROUPS = [
  ["people", "What people notice"],
  ["machines", "What it costs"],
] as const;

const filled = (panel: Panel, board: Board): boolean =>
  panel.lines.some((line) => labelsOf(line, board).some((label) => board.timeline.has(label, line.metric)));

/** What there is to show: the panels and the heatmaps, as one text. */
function shapeOf(board: Board): string {
  const shown = PANELS.filter((panel) => (!panel.optional && board.clock === "wall") || filled(panel, board));
  const heats = board.labels.filter((label) => board.timeline.heat.get(label)?.some((heat) => heat.length > 0));
  return [board.percentile, ...shown.map((panel) => panel.id), ...heats.map((label) => `heat ${label}`)].join();
}

export function Tools({ board, live = true, children }: { board: Board; live?: boolean; children?: ComponentChildren }) {
  useBoard(board);
  const paused = board.pausedAt !== null;
  return (
    <div class="tools" role="toolbar" aria-label="Charts">
      {live && (
        <button type="button" class="small" aria-pressed={paused} data-testid="pause" onClick={() => board.setPaused(!paused)}>
          {paused ? "Go on" : "Pause"}
        </button>
      )}
      {live && (
        <div class="choice" role="group" aria-label="Window">
          {WINDOWS.map(([seconds, name]) => (
            <button
              key={seconds}
              type="button"
              aria-pressed={board.zoom === null && board.window === seconds}
              onClick={() => board.setWindow(seconds)}
            >
              {name}
            </button>
          ))}
        </div>
      )}
      <div class="choice" role="group" aria-label="Latency">
        {PERCENTILES.map(([name, words]) => (
          <button key={name} type="button" title={words} aria-pressed={board.percentile === name} onClick={() => board.setPercentile(name)}>
            {name}
          </button>
        ))}
      </div>
      {board.zoom && (
        <button type="button" class="small" data-testid="zoom-out" onClick={() => board.setZoom(null)}>
          Zoom out
        </button>
      )}
      <Pointed board={board} />
      <span class="spring" />
      <ul class="legend" aria-label="Colours">
        {board.sides.map((side) => (
          <li key={side.label} data-kind={ofModel(side.model)}>
            <Swatch board={board} label={side.label} />
            {side.title.replace(/ chat$/, "")}
            {board.ghosts.has(side.label) && <span class="quiet">before</span>}
          </li>
        ))}
      </ul>
      {children}
    </div>
  );
}

/** Charts draw themselves: here all is made anew only when there is another one. */
export function Charts({ board }: { board: Board }) {
  const [, setShape] = useState("");
  useEffect(() => board.onData(() => setShape(shapeOf(board))), [board]);
  const shape = shapeOf(board).split(",");
  return (
    <>
      <Happenings board={board} />
      {GROUPS.map(([group, title]) => (
        <section key={group} class="group" aria-label={title}>
          <h2>{title}</h2>
          <div class="grid">
            {PANELS.filter((panel) => panel.group === group && shape.includes(panel.id)).map((panel) => (
              <Chart key={`${panel.id}${panel.id === "latency" ? board.percentile : ""}`} panel={panel} board={board} />
            ))}
            {group === "people" && <Closes board={board} />}
            {group === "people" &&
              board.sides.map((side) => (shape.includes(`heat ${side.label}`) ? <Heatmap key={side.label} board={board} side={side} /> : null))}
          </div>
        </section>
      ))}
    </>
  );
}
