/** Numbers as people read them: three digits, and the unit beside them. */

export type Unit = "count" | "rate" | "seconds" | "bytes" | "cpu";

type Steps = readonly (readonly [least: number, name: string])[];

const STEPS: Record<Exclude<Unit, "cpu">, Steps> = {
  count: [[1e9, " G"], [1e6, " M"], [1e4, " k"], [1, ""]],
  rate: [[1e9, " G/s"], [1e6, " M/s"], [1e4, " k/s"], [1, " /s"]],
  seconds: [[1, " s"], [1e-3, " ms"], [1e-6, " µs"]],
  bytes: [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]],
};
const DIVISORS: Record<string, number> = { " k": 1e3, " k/s": 1e3 };

function three(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function format(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined) return "–";
  if (unit === "cpu") return `${three(Math.round(value * 1000) / 10)} %`;
  const steps = STEPS[unit];
  const [least, name] = steps.find(([size]) => Math.abs(value) >= size) ?? (value === 0 ? zero(steps) : smallest(steps));
  return three(value / (DIVISORS[name] ?? least)) + name;
}

const smallest = (steps: Steps) => steps.at(-1) ?? ([1, ""] as const);
/** Nothing is said in the unit in which little would be. */
const zero = (steps: Steps) => (steps === STEPS.seconds ? ([1e-3, " ms"] as const) : smallest(steps));
