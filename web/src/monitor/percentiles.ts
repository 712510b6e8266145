/** Percentiles out of the histograms of `loadtest.histogram`. */

type Buckets = readonly (readonly [bucket: number, count: number])[];

/** The longest duration in the bucket, in seconds: `loadtest.histogram`. */
const highest = (bucket: number): number => {
  const shift = Math.max(0, Math.floor(bucket / 128) - 1);
  return (bucket - shift * 128 + 1) * 2 ** shift * 1e-6;
};

/** Counts of several phases or repeats are added; percentiles are read only then. */
export function curveOf(several: readonly Buckets[]): (readonly [number, number])[] {
  const sums = new Map<number, number>();
  for (const buckets of several) for (const [bucket, count] of buckets) sums.set(bucket, (sums.get(bucket) ?? 0) + count);
  const total = [...sums.values()].reduce((sum, count) => sum + count, 0);
  let reached = 0;
  return [...sums]
    .sort(([a], [b]) => a - b)
    .map(([bucket, count]) => {
      // A curve ends where there is one more: the slowest of a thousand is the 99.9th percentile.
      const at = Math.min((reached += count) / total, 1 - 1 / (total + 1));
      return [at, highest(bucket)] as const;
    });
}
