import { Acts, Cards } from "./Acts";
import type { Board } from "./board";
import { Charts, Tools } from "./Charts";
import type { Live, MonitorState } from "./live";
import { Load } from "./Load";

export function Compare({ live, board, state }: { live: Live; board: Board; state: MonitorState }) {
  return (
    <main class="compare">
      <Load live={live} state={state} />
      <Acts live={live} state={state} />
      <Cards board={board} state={state} />
      <Tools board={board} />
      <Charts board={board} />
    </main>
  );
}
