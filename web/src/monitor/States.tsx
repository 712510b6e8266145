import { ofModel } from "./colours";
import type { Live } from "./live";
import { useBoard } from "./useBoard";

/** What a state means to people; the mark says it without colour. */
const MEANING: Record<string, readonly [mark: string, words: string, tone: "good" | "warn" | "bad" | "quiet"]> = {
  live: ["●", "live", "good"],
  partly: ["◐", "some workers are silent", "warn"],
  degraded: ["◐", "delivery is stopped", "warn"],
  starting: ["○", "starting", "quiet"],
  frozen: ["✱", "frozen", "bad"],
  silent: ["✕", "silent", "bad"],
  dead: ["✕", "dead", "bad"],
  unknown: ["○", "unknown", "quiet"],
};

function State({ name, state, kind }: { name: string; state: string; kind: string }) {
  const [mark, words, tone] = MEANING[state] ?? ["○", state, "quiet"];
  return (
    <li data-kind={kind} data-tone={tone} data-state={state} data-testid={`state-${kind}`}>
      <span aria-hidden="true">{mark}</span> <b>{name}</b> <span>{words}</span>
    </li>
  );
}

export function States({ live }: { live: Live }) {
  useBoard(live.board);
  if (!live.connected || live.board === null || live.state === null) {
    return (
      <p class="states" role="status" data-testid="disconnected">
        {live.state === null ? "" : "The monitor is silent: nothing new is known."}
      </p>
    );
  }
  const { timeline } = live.board;
  return (
    <ul class="states" aria-label="State of the servers">
      {live.state.sides.map((side) => (
        <State
          key={side.label}
          name={side.title.replace(/ chat$/, "")}
          state={timeline.state(side.label)}
          kind={ofModel(side.model)}
        />
      ))}
      <State name="Redis" state={timeline.state("redis")} kind="redis" />
    </ul>
  );
}
