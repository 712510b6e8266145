import type { Board } from "./board";
import { ofModel } from "./colours";
import { type Address, type Live, type MonitorState } from "./live";
import { Load } from "./Load";
import { Strip } from "./Strip";

/** The page's own host name: cookies and storage are by name, and so is who may show whom in a frame. */
function addressOf(side: Address): string {
  const url = new URL(side.url);
  if (url.hostname === "127.0.0.1" && location.hostname === "localhost") url.hostname = "localhost";
  return url.href;
}

export function Duet({ live, board, state }: { live: Live; board: Board; state: MonitorState }) {
  return (
    <main class="duet">
      <div class="pair">
        {state.sides.map((side) => (
          <section key={side.label} data-kind={ofModel(side.model)} aria-label={side.title}>
            <iframe key={side.url} src={addressOf(side)} title={side.title} data-testid={`client-${side.label}`} allow="clipboard-write" />
          </section>
        ))}
      </div>
      <Load live={live} state={state} />
      <Strip board={board} />
    </main>
  );
}
