import { moment } from "./Chart";
import type { Board } from "./board";
import { useBoard } from "./useBoard";

const MOST = 8;

/** The names of what is marked in the charts. */
export function Happenings({ board }: { board: Board }) {
  useBoard(board);
  const { from, to } = board.span;
  const seen = board.events.filter((event) => event.t <= Math.min(to, board.until ?? Infinity) && (event.until ?? event.t) >= from);
  return (
    <ul class="happenings" aria-label="Marked in the charts" data-testid="happenings">
      {seen.slice(-MOST).map((event) => (
        <li key={event.id} data-kind={event.kind} title={event.detail}>
          <time>{moment(board, event.t)}</time> {event.name}
        </li>
      ))}
    </ul>
  );
}
