/**
 * Time slicing and a semaphore for long work, so that a large directory does not block other requests.
 *
 * @module
 */

/**
 * Milliseconds of work before yielding to the event loop. With 4, work that never waits, such as reading a large
 * directory by system calls, delayed half of all other requests by 8 ms beside a listing of 100,000; with 2, by 1.
 */
const SLICE_MS = 2;

/** The first slice is longer: most directories are finished within it and need not yield at all. */
const FIRST_MS = 8;

/** So are all while no other requests come, because each wait takes as long as a short one. */
const QUIET_SLICE_MS = 8;

/** How long no request must have come, in milliseconds: a client that sends one every now and then is not delayed. */
const QUIET_MS = 100;

let requests = 0;

/** Counts a request, for which slices become shorter. Reads no clock, because it is called for each. */
export function noteRequest(): void {
  requests += 1;
}

let noticedRequests = 0;
let noticedAt = -Infinity;

/** The length of a slice that begins now. */
function sliceAt(now: number): number {
  if (requests !== noticedRequests) noticedAt = now;
  noticedRequests = requests;
  return now - noticedAt < QUIET_MS ? SLICE_MS : QUIET_SLICE_MS;
}

/** The time slices of one piece of long work. */
export class Turns {
  #end = performance.now() + FIRST_MS;

  /** Whether it is time to `await` {@linkcode next}. */
  get due(): boolean {
    return performance.now() >= this.#end;
  }

  /** Ends the first slice, which is longer: the work has turned out to be long. */
  endFirst(): void {
    this.#end = 0;
  }

  /**
   * Yields to the event loop for a timer, which takes two milliseconds. setImmediate would be a thousand times as
   * quick, but work that is ready at once keeps the runtime from polling its connections: a request then took twenty to
   * fifty turns, and with slices of two milliseconds was delayed by 50 to 200.
   */
  next(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(() => {
        const now = performance.now();
        this.#end = now + sliceAt(now);
        resolve();
      }, 0);
    });
  }
}

/** The time slices that many pieces of work share, each of which comes in short steps: a hundred steps must not be one turn. */
export class SharedTurns {
  #end = 0;
  #isArmed = false;
  readonly #waiting: (() => void)[] = [];

  /** Takes a step when it is its turn; steps are taken in order. */
  async take<T>(step: () => T): Promise<T> {
    if (this.#waiting.length > 0 || performance.now() >= this.#end) {
      if (this.#waiting.length === 0) this.#arm(); // each step admits the next
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return step();
    } finally {
      if (performance.now() < this.#end) this.#waiting.shift()?.();
      else if (this.#waiting.length > 0) this.#arm();
    }
  }

  /** The next slice begins when the event loop has polled its connections. */
  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setTimeout(() => {
      this.#isArmed = false;
      this.#end = performance.now() + SLICE_MS;
      this.#waiting.shift()?.();
    }, 0);
  }
}

/** Length of the runs sorted by the engine in one go: some 2 ms. */
const RUN_LENGTH = 512;

/** Merge sort with time slicing; stable like `toSorted`. */
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

/** A semaphore; waiters are served in order. */
export class Gate {
  #places: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  /** Waits for a place, which is held until disposed of. */
  async enter(): Promise<Disposable> {
    const place = this.enterNow();
    if (place !== null) return place;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#place();
  }

  /** Takes a place without waiting; null if there is none. */
  enterNow(): Disposable | null {
    if (this.#places === 0) return null;
    this.#places -= 1;
    return this.#place();
  }

  #place(): Disposable {
    return { [Symbol.dispose]: () => this.#leave() };
  }

  /** Hands the place directly to the first waiter, so that none can overtake it. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#places += 1;
  }
}
