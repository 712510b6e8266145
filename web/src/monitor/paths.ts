/** Lines of more seconds than there are pixels. */

import uPlot from "uplot";

/** Pixels, as the style sheet counts them, in which a line goes up and down once at most. */
const LEAST_PX = 3;
const exact = uPlot.paths.linear?.() as uPlot.Series.PathBuilder;

/**
 * The least and the largest value of every few pixels, in the order in which they came: no peak is left out, dashes stay
 * dashes, and an hour is drawn as fast as a minute. What belongs together is a matter of time alone, so that a line that
 * moves keeps its form.
 */
export const thinned: uPlot.Series.PathBuilder = (plot, series, first, last) => {
  const t = plot.data[0];
  const values = plot.data[series] ?? [];
  const { min, max } = plot.scales["x"] ?? {};
  const span = (max ?? 0) - (min ?? 0);
  const wide = (span * LEAST_PX * devicePixelRatio) / plot.bbox.width;
  if (last - first < (2 * span) / wide) return exact(plot, series, first, last);
  const y = plot.series[series]?.scale ?? "y";
  const stroke = new Path2D();
  let down = false;
  const reach = (index: number) => {
    const [left, top] = [plot.valToPos(t[index] ?? 0, "x", true), plot.valToPos(values[index] ?? 0, y, true)];
    if (down) stroke.lineTo(left, top);
    else stroke.moveTo(left, top);
    down = true;
  };
  for (let index = first; index <= last; ) {
    const group = Math.floor((t[index] ?? 0) / wide);
    let [low, high] = [-1, -1];
    for (; index <= last && Math.floor((t[index] ?? 0) / wide) === group; index++) {
      const value = values[index];
      if (value === null || value === undefined) continue;
      if (low < 0 || value < (values[low] ?? 0)) low = index;
      if (high < 0 || value > (values[high] ?? 0)) high = index;
    }
    if (low < 0) down = false;
    else {
      reach(Math.min(low, high));
      if (low !== high) reach(Math.max(low, high));
    }
  }
  return { stroke, fill: null, clip: null, gaps: null, flags: 0 } as unknown as uPlot.Series.Paths;
};
