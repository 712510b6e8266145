import { useEffect, useState } from "preact/hooks";
import type { Board } from "./board";

/** Draw anew when the window, or what there is to see, has changed. */
export function useBoard(board: Board | null): void {
  const [, setCount] = useState(0);
  useEffect(() => board?.onData(() => setCount((count) => count + 1)), [board]);
}
