/** Phases and faults, drawn behind the lines of every chart. */

import type uPlot from "uplot";
import type { Board } from "./board";
import { colour } from "./colours";

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** `unit` is the width of a line; `x` the place of a moment. */
export function mark(ctx: CanvasRenderingContext2D, board: Board, box: Box, unit: number, x: (t: number) => number): void {
  const { left, top, width, height } = box;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  for (const event of board.events) {
    const from = x(event.t);
    const to = event.until === null ? from : x(event.until);
    if (to < left || from > left + width) continue;
    const name = event.kind === "fault" ? "danger" : "edge";
    if (event.kind !== "note" && to - from >= 1) {
      ctx.fillStyle = colour(event.kind === "fault" ? "fault" : "phase");
      ctx.fillRect(from, top, Math.max(2, to - from), height);
    }
    ctx.strokeStyle = colour(name);
    ctx.lineWidth = unit;
    ctx.setLineDash(event.kind === "fault" ? [] : [3 * unit, 3 * unit]);
    ctx.beginPath();
    ctx.moveTo(Math.round(from) + 0.5, top);
    ctx.lineTo(Math.round(from) + 0.5, top + height);
    ctx.stroke();
  }
  ctx.restore();
}

export const markHappenings = (board: Board): uPlot.Plugin => ({
  hooks: {
    drawClear: (plot: uPlot) => mark(plot.ctx, board, plot.bbox, devicePixelRatio, (t) => plot.valToPos(t, "x", true)),
  },
});
