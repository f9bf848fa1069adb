/** Waiting for conditions without an event. */

/** How long a condition may take, in milliseconds: generous, because it only matters to a test that fails. */
const DEADLINE_MS = 30_000;

/**
 * Polls until a condition holds.
 *
 * @param what The condition in words, for the error if it does not hold in time; its code by default.
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string = String(holds),
  { deadline = DEADLINE_MS, every = 10 }: { deadline?: number; every?: number } = {},
): Promise<void> {
  const end = performance.now() + deadline;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`Not within ${deadline} ms: ${what}`);
    await delay(every);
  }
}

/** Resolves after some milliseconds. */
export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The result of a promise; an error instead of a test that hangs, where it takes longer than so many milliseconds. */
export async function within<T>(promise: Promise<T>, milliseconds: number = DEADLINE_MS): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`It took longer than ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a process runs; a zombie does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
