import { useId } from "preact/hooks";
import type { Board } from "./board";
import { titleOf } from "./Chart";
import { ofModel } from "./colours";
import { format } from "./units";
import { useBoard } from "./useBoard";

/** Why connections ended within the window that is shown, and how many at each side. */
function counted(board: Board): Map<string, Map<string, number>> {
  const { from, to } = board.span;
  const found = new Map<string, Map<string, number>>();
  const { t } = board.timeline;
  for (const label of board.labels) {
    const seconds = board.timeline.closes.get(label) ?? [];
    for (let index = board.last; index >= 0 && (t[index] ?? 0) >= from; index--) {
      if ((t[index] ?? 0) > to) continue;
      for (const [reason, count] of Object.entries(seconds[index] ?? {})) {
        const sides = found.get(reason) ?? new Map<string, number>();
        sides.set(label, (sides.get(label) ?? 0) + count);
        found.set(reason, sides);
      }
    }
  }
  return found;
}

export function Closes({ board }: { board: Board }) {
  const id = useId();
  useBoard(board);
  const reasons = counted(board);
  return (
    <section class="panel" aria-labelledby={id} data-testid="panel-reasons">
      <header>
        <h3 id={id}>Why connections ended</h3>
      </header>
      <p class="about">{board.clock === "wall" ? "Those that the server ended" : "As the load saw it"}, within what is shown.</p>
      {reasons.size === 0 ? (
        <p class="quiet none">None was ended.</p>
      ) : (
        <table class="reasons">
          <thead>
            <tr>
              <th scope="col">Reason</th>
              {board.sides.map((side) => (
                <th key={side.label} scope="col">
                  {titleOf(board, side.label)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...reasons].map(([reason, sides]) => (
              <tr key={reason}>
                <th scope="row">{reason}</th>
                {board.sides.map((side) => (
                  <td key={side.label} data-kind={ofModel(side.model)}>
                    {format(Math.round(sides.get(side.label) ?? 0), "count")}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
