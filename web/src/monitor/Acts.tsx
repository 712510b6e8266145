import { moment } from "./Chart";
import type { Board } from "./board";
import { ofModel } from "./colours";
import { useAsking } from "./Load";
import type { Card, Live, MonitorState } from "./live";

export function Acts({ live, state }: { live: Live; state: MonitorState }) {
  const [error, busy, run] = useAsking();
  if (!state.owned) return null;
  return (
    <section class="acts" aria-labelledby="acts-title">
      <h2 id="acts-title">Hurt them</h2>
      <p class="quiet">Each is done to both; a crowd of clients says what held.</p>
      <div class="buttons">
        {state.acts.map((act) => (
          <button
            key={act.name}
            type="button"
            class="small"
            title={act.explanation}
            disabled={busy || state.underWay !== null}
            data-testid={`act-${act.name}`}
            data-busy={state.underWay === act.name}
            onClick={() => run(() => live.act(act.name))}
          >
            {act.title}
          </button>
        ))}
      </div>
      <p role="status" class="quiet" data-testid="act-state">
        {state.underWay === null
          ? ""
          : `${state.acts.find((act) => act.name === state.underWay)?.title ?? ""}: waiting until everybody has everything…`}
      </p>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
    </section>
  );
}

function Verdict({ card, board, explanation }: { card: Card; board: Board; explanation: string }) {
  return (
    <article class="card" data-testid={`card-${card.act}`}>
      <header>
        <h3>{card.title}</h3>
        <time>{moment(board, card.t)}</time>
      </header>
      <p class="quiet">{explanation}</p>
      {card.error && <p class="error">{card.error}</p>}
      <div class="sides">
        {board.sides.map((side) => {
          const found = card.sides[side.label];
          return found === undefined ? null : (
            <div key={side.label} class="side" data-kind={ofModel(side.model)} data-held={found.held} data-testid={`verdict-${side.label}`}>
              <h4>
                {side.title.replace(/ chat$/, "")} <span class="held">{found.held ? "✓ held" : "✕ broken"}</span>
              </h4>
              <ul>
                {found.promises.map((promise) => (
                  <li key={promise.text} data-held={promise.held}>
                    <span class="mark" aria-label={promise.held ? "held" : "broken"} role="img">
                      {promise.held ? "✓" : "✕"}
                    </span>
                    <span>
                      {promise.text}
                      <small>{promise.detail}</small>
                    </span>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
      </div>
    </article>
  );
}

export function Cards({ board, state }: { board: Board; state: MonitorState }) {
  if (state.cards.length === 0) return null;
  return (
    <section class="cards" aria-label="Verdicts" aria-live="polite">
      {state.cards.toReversed().map((card) => (
        <Verdict
          key={card.id}
          card={card}
          board={board}
          explanation={state.acts.find((act) => act.name === card.act)?.explanation ?? ""}
        />
      ))}
    </section>
  );
}
