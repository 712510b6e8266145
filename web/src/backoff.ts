const BASE = 0.25;
const CAP_EARLY = 2;
const CAP_LATE = 30;
const EARLY = 120;

/**
 * Seconds to wait before connecting again, with full jitter: a herd that was cut off at once comes back spread out.
 *
 * @param tries connections that failed since the last one that worked
 * @param age seconds since the connection was lost; in the first two minutes a restart is likely, so the cap is low
 * @param chance from 0 to 1
 */
export function backoff(tries: number, age: number, chance: number): number {
  const cap = age < EARLY ? CAP_EARLY : CAP_LATE;
  return chance * Math.min(cap, BASE * 2 ** Math.min(tries + 1, 16));
}
