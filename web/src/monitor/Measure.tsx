import { useState } from "preact/hooks";
import { useAsking } from "./Load";
import type { Live, MonitorState } from "./live";

const FIELDS = [
  ["connections", "Members"],
  ["rate", "Messages per second"],
  ["duration", "Seconds"],
  ["repeats", "Repeats"],
] as const;

/** Measure a scenario: one backend after the other, on servers of its own, as `python -m loadtest run` does. */
export function Measure({ live, state }: { live: Live; state: MonitorState }) {
  const [chosen, setChosen] = useState<Readonly<Record<string, string>>>({ scenario: "small" });
  const [error, busy, run] = useAsking();
  if (!state.owned) return null;
  const given = Object.entries(chosen).filter(([, text]) => text.trim() !== "");
  const order = Object.fromEntries(given.map(([name, text]) => [name, name === "scenario" ? text : Number(text)]));
  const choose = (name: string, value: string) => setChosen({ ...chosen, [name]: value });
  return (
    <section class="load" aria-label="Measure">
      {state.measuring ? (
        <>
          <p data-testid="measuring">
            <b>Measuring {state.measuring.scenario}:</b> <span class="quiet">{state.measured}</span>
          </p>
          <button type="button" class="small" disabled={busy} data-testid="measure-stop" onClick={() => run(() => live.stopMeasuring())}>
            Stop
          </button>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run(() => live.measure(order));
          }}
        >
          <button type="submit" class="primary" disabled={busy} data-testid="measure-start">
            Measure
          </button>
          <label>
            Scenario
            <select value={chosen["scenario"]} data-testid="measure-scenario" onChange={(event) => choose("scenario", event.currentTarget.value)}>
              {state.scenarios.map(({ name, title }) => (
                <option key={name} value={name} title={title}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          {FIELDS.map(([name, title]) => (
            <label key={name}>
              {title}
              <input
                inputMode="decimal"
                placeholder="auto"
                value={chosen[name] ?? ""}
                data-testid={`measure-${name}`}
                onInput={(event) => choose(name, event.currentTarget.value)}
              />
            </label>
          ))}
          <span class="quiet" data-testid="measured">
            {state.measured ? `The last one: ${state.measured}` : (state.scenarios.find((one) => one.name === chosen["scenario"])?.title ?? "")}
          </span>
        </form>
      )}
      {error && (
        <p class="error" role="alert" data-testid="measure-error">
          {error}
        </p>
      )}
    </section>
  );
}
