import { useEffect, useState } from "preact/hooks";
import { moment } from "./Chart";
import type { Board } from "./board";

/** The moment whose figures are shown while the cursor is in a chart. */
export function Pointed({ board }: { board: Board }) {
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => board.onCursor(() => setAt(board.cursorAt)), [board]);
  return (
    <output class="pointed" data-testid="cursor-time">
      {at === null ? "" : `at ${moment(board, at)}`}
    </output>
  );
}
