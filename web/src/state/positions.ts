import type { Message, Position } from "../protocol";

/** What tells one entry from every other, also across the lives of a room's log. */
export const keyOf = ({ epoch, offset }: Position): string => `${epoch}:${offset}`;

export const samePlace = (a: Position, b: Position): boolean => a.epoch === b.epoch && a.offset === b.offset;

/** Where `place` is in `messages`, or -1. Offsets rise, so halving finds it; the epoch then has to agree. */
export function indexOf(messages: readonly Message[], place: Position): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages[middle]?.offset ?? Infinity) < place.offset) low = middle + 1;
    else high = middle;
  }
  const found = messages[low];
  return found !== undefined && samePlace(found, place) ? low : -1;
}
