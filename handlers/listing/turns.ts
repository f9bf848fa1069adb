/**
 * Long work in slices, and not too much of it at once: nobody else waits for a large directory.
 *
 * @module
 */

/** Milliseconds of work before others get their turn: what they wait for at most. */
const SLICE_MS = 4;

/** The first slice is longer: most directories are done by its end, and then need not wait for anybody. */
const FIRST_MS = 8;

/** The turns that long work gives to others. */
export class Turns {
  #end = performance.now() + FIRST_MS;

  /** Whether it is time to `await` the {@linkcode next} one. */
  get due(): boolean {
    return performance.now() >= this.#end;
  }

  /**
   * Lets others have their turn: until a timer has run out, which takes two milliseconds. By setImmediate it would be a
   * thousand times as quick, but what is ready to go on at once keeps the runtime from looking at its connections: a
   * request then takes twenty to fifty turns, and with slices of two milliseconds was held up for 50 to 200.
   */
  next(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(() => {
        this.#end = performance.now() + SLICE_MS;
        resolve();
      }, 0);
    });
  }
}

/** Runs of one sort that are left to the engine: some 2 ms. */
const RUN_LENGTH = 512;

/** Sorts many values by merging, with turns for others; stable as `toSorted` is. */
export async function sortInTurns<T>(
  values: readonly T[],
  compare: (a: T, b: T) => number,
  turns: Turns,
): Promise<T[]> {
  let from: T[] = [];
  for (let start = 0; start < values.length; start += RUN_LENGTH) {
    for (const value of values.slice(start, start + RUN_LENGTH).sort(compare)) from.push(value);
    if (turns.due) await turns.next();
  }
  let into: T[] = new Array(from.length);
  for (let width = RUN_LENGTH; width < from.length; width *= 2) {
    for (let start = 0; start < from.length; start += 2 * width) {
      await merge(from, into, { start, middle: start + width, end: start + 2 * width }, compare, turns);
    }
    [from, into] = [into, from];
  }
  return from;
}

interface Runs {
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

async function merge<T>(
  from: readonly T[],
  into: T[],
  { start, middle, end }: Runs,
  compare: (a: T, b: T) => number,
  turns: Turns,
): Promise<void> {
  const leftEnd = Math.min(middle, from.length);
  const rightEnd = Math.min(end, from.length);
  const isSorted = leftEnd === rightEnd || compare(from[leftEnd - 1]!, from[leftEnd]!) <= 0;
  let left = start;
  let right = leftEnd;
  for (let at = start; at < rightEnd; at++) {
    const takesLeft = left < leftEnd && (isSorted || right >= rightEnd || compare(from[left]!, from[right]!) <= 0);
    into[at] = from[takesLeft ? left++ : right++]!;
    if (at % 256 === 0 && turns.due) await turns.next();
  }
}

/** A door that lets in so many at a time; the others wait, first come first served. */
export class Gate {
  #places: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  /** Waits for a place, and has it until the end of the block. */
  async enter(): Promise<Disposable> {
    if (this.#places > 0) this.#places -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return { [Symbol.dispose]: () => this.#leave() };
  }

  /** The place goes straight to who waits longest, so that nobody can overtake. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#places += 1;
  }
}
