/** The clock with which the server compares the timestamps of files: tests set it ahead instead of waiting. */

import { clock } from "../../handlers/sources/clock.ts";

/** Longer than a change stays indistinguishable from the next one, and than a containment check stays valid. */
const AHEAD_MS = 10_000;

/**
 * Sets the clock ahead until the end of the block: `using _clock = clockAhead()`. Files written just now then count as
 * stable. A second change in the same tick of the file system, of the same size, goes unnoticed meanwhile: see `nextTick`.
 */
export function clockAhead(milliseconds = AHEAD_MS): Disposable {
  const { now } = clock;
  clock.now = () => now() + milliseconds;
  return { [Symbol.dispose]: () => void (clock.now = now) };
}

/** Sets the clock to a time, until the end of the block. */
export function clockAt(time: number): Disposable {
  const { now } = clock;
  clock.now = () => time;
  return { [Symbol.dispose]: () => void (clock.now = now) };
}

/** Waits some milliseconds, until a change of a file gets another `mtime` than any change before. */
export async function nextTick(): Promise<void> {
  const probe = await Deno.makeTempFile({ prefix: "pyserve-test-" });
  const before = Deno.statSync(probe).mtime!.getTime();
  do {
    await new Promise((resolve) => setTimeout(resolve, 1));
    Deno.writeTextFileSync(probe, "x");
  } while (Deno.statSync(probe).mtime!.getTime() === before);
  await Deno.remove(probe);
}

/** Waits up to a second, until a change of a file gets another `ctime`, of which Deno 2.9 knows whole seconds. */
export async function nextSecond(): Promise<void> {
  const margin = 20; // the clock of the file system is up to a tick late
  await new Promise((resolve) => setTimeout(resolve, 1000 - Date.now() % 1000 + margin));
}
