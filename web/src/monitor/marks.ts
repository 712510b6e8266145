/** Phases and faults, drawn behind the lines of every chart. */

import type uPlot from "uplot";
import type { Board } from "./board";
import { colour } from "./colours";

export function markHappenings(board: Board): uPlot.Plugin {
  return {
    hooks: {
      drawClear: (plot: uPlot) => {
        const { ctx } = plot;
        const { left, top, width, height } = plot.bbox;
        ctx.save();
        ctx.beginPath();
        ctx.rect(left, top, width, height);
        ctx.clip();
        for (const event of board.events) {
          const from = plot.valToPos(event.t, "x", true);
          const to = event.until === null ? from : plot.valToPos(event.until, "x", true);
          if (to < left || from > left + width) continue;
          const name = event.kind === "fault" ? "danger" : "edge";
          if (event.kind !== "note" && to - from >= 1) {
            ctx.fillStyle = colour(event.kind === "fault" ? "fault" : "phase");
            ctx.fillRect(from, top, Math.max(2, to - from), height);
          }
          ctx.strokeStyle = colour(name);
          ctx.lineWidth = devicePixelRatio;
          ctx.setLineDash(event.kind === "fault" ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
          ctx.beginPath();
          ctx.moveTo(Math.round(from) + 0.5, top);
          ctx.lineTo(Math.round(from) + 0.5, top + height);
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  };
}
