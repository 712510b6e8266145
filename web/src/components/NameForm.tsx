import { useState } from "preact/hooks";
import { ApiError, createSession } from "../api";
import type { State } from "../state/types";
import { sides } from "../state/view";
import { loadName, saveName } from "../storage";
import { now, type Store } from "../store";

/** The door: a name is all that is asked. Until it is known whether there is a session, only a word about that. */
export function NameForm({ state, store }: { state: State; store: Store }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { here } = sides(state);
  const waiting = state.connection.status !== "idle";
  const returning = Object.values(state.rooms).some(({ acts }) => acts.length > 0);

  const enter = async (event: SubmitEvent) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get("name")).normalize("NFC").trim();
    if ([...name].length < 1 || [...name].length > 32) return setProblem("A name has 1 to 32 characters.");
    setBusy(true);
    try {
      const { user } = await createSession(name);
      saveName(name);
      store.dispatch({ type: "entered", user, at: now() });
    } catch (error) {
      setProblem(error instanceof ApiError ? `That did not work: ${error.message}.` : String(error));
    }
    setBusy(false);
  };

  return (
    <main class="door">
      <img src="icon.svg" alt="" width="44" height="44" />
      <h1>Tandem</h1>
      <p class="quiet">One chat, two servers{here && `. This one is ${here.label}`}.</p>
      {waiting ? (
        <p class="quiet" role="status" data-testid="connection-state" data-state="connecting">
          {state.connection.status === "waiting" ? "The server cannot be reached. Trying again…" : "Connecting…"}
        </p>
      ) : (
        <form onSubmit={(event) => void enter(event)} noValidate>
          {returning && <p>Your session has ended. What you wrote is kept; enter to go on.</p>}
          <label for="name">Your name</label>
          <input
            id="name"
            name="name"
            defaultValue={loadName()}
            autocomplete="nickname"
            autofocus={self === top /* browsers refuse it to a frame, and complain */}
            aria-invalid={problem !== null}
            aria-describedby={problem === null ? undefined : "name-problem"}
            data-testid="name-input"
            onInput={() => setProblem(null)}
          />
          {problem !== null && (
            <p id="name-problem" class="error" role="alert">
              {problem}
            </p>
          )}
          <button type="submit" class="primary" disabled={busy} data-testid="enter">
            Enter the chat
          </button>
        </form>
      )}
    </main>
  );
}
