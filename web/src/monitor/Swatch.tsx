import type { Board } from "./board";

const DASHES: readonly (readonly number[])[] = [[], [7, 3], [3, 3], [10, 3, 2, 3]];
const MORE = [2, 2];

/** All but the first are dashed, each its own way: who sees no colours tells them apart as well. */
export const dashOf = (place: number): readonly number[] => DASHES[place] ?? MORE;

/** How the line of a side is drawn, beside its name. */
export function Swatch({ board, label }: { board: Board; label: string }) {
  const place = Math.max(0, board.labels.indexOf(label));
  return (
    <svg class="swatch" width="24" height="4" aria-hidden="true">
      <path d="M0 2H24" stroke-dasharray={dashOf(place).join(" ")} />
    </svg>
  );
}
