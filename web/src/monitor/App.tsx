import { useEffect, useState } from "preact/hooks";
import { Compare } from "./Compare";
import { Duet } from "./Duet";
import type { Live } from "./live";
import { Runs } from "./Runs";
import { States } from "./States";

const PAGES = [
  ["", "Duet"],
  ["compare", "Compare"],
  ["runs", "Runs"],
] as const;

function usePage(): string {
  const [page, setPage] = useState(location.hash.slice(2));
  useEffect(() => {
    const turn = () => setPage(location.hash.slice(2));
    addEventListener("hashchange", turn);
    turn(); // an effect comes late: the page may have been turned since the first drawing
    return () => removeEventListener("hashchange", turn);
  }, []);
  return page;
}

/** Draw anew when the monitor has told something. */
export function useLive(live: Live): void {
  const [, setCount] = useState(0);
  useEffect(() => live.subscribe(() => setCount((count) => count + 1)), [live]);
}

export function App({ live }: { live: Live }) {
  useLive(live);
  const page = usePage();
  const first = page.split("/")[0] ?? "";
  return (
    <div class="monitor" data-page={first || "duet"}>
      <header class="top">
        <h1>Tandem</h1>
        <nav aria-label="Pages">
          {PAGES.map(([path, name]) => (
            <a key={path} href={`#/${path}`} aria-current={path === first ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <span class="spring" />
        <States live={live} />
      </header>
      {live.state === null || live.board === null ? (
        <main class="empty">
          <p>{first === "runs" ? "" : "Waiting for the monitor…"}</p>
        </main>
      ) : first === "compare" ? (
        <Compare live={live} board={live.board} state={live.state} />
      ) : first === "runs" ? (
        <Runs path={page.slice(5)} live={live} state={live.state} />
      ) : (
        <Duet live={live} board={live.board} state={live.state} />
      )}
    </div>
  );
}
