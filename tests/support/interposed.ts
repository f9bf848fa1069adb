/**
 * Replaces paths between any two calls of the file system, one after the other: at every point where another process could.
 *
 * The calls of this process are real; before the nth of them something is done to the disk.
 */

import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { nodeFs } from "../../handlers/system/node.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";

/** Deno's functions that take names; those for open files take none. */
const BY_NAME = [
  ...["chmod", "link", "lstat", "mkdir", "open", "readDir", "readLink", "realPath", "remove", "rename", "stat"],
  ...["symlink", "utime", "readFile", "readTextFile"],
];

const OF_DESCRIPTORS = ["open", "openLater", "openBeneath", "openBeneathLater", "openAtOnce"];

/** Functions of libc that are called for names, besides those that DESCRIPTORS calls. */
const OF_LIBC = ["statx", "getdents64"];

type Call = (...words: unknown[]) => unknown;
type Calls = Record<string, Call>;

/** Does work, calling `before` ahead of each file system call that takes a name: with its number, from 0 on,
 * the call's own name, and its first path. */
export async function interposed(
  work: () => unknown,
  before: (call: number, name: string, path: string) => unknown,
): Promise<number> {
  let count = 0;
  let isInside = false;
  const tell = (name: string, path: string) => {
    if (isInside) return; // what is done to the disk makes calls of its own
    isInside = true;
    try {
      before(count++, name, path);
    } finally {
      isInside = false;
    }
  };
  const restores = [
    ...BY_NAME.flatMap((name) => [name, `${name}Sync`]).map((name) => wrap(Deno as unknown as Calls, name, tell)),
    ...["open", "openSync"].map((name) => wrap(nodeFs() as unknown as Calls, name, tell)),
    ...(DESCRIPTORS ? OF_DESCRIPTORS : []).map((name) => wrap(DESCRIPTORS as unknown as Calls, name, tell)),
    ...(FILE_CALLS ? OF_LIBC : []).map((name) => wrap(FILE_CALLS as unknown as Calls, name, tell)),
  ];
  try {
    await work();
  } finally {
    restores.forEach((restore) => restore());
  }
  return count;
}

function wrap(calls: Calls, name: string, tell: (name: string, path: string) => void): () => void {
  const call = calls[name]!;
  calls[name] = (...words) => {
    tell(name, String(words[0]));
    return call.apply(calls, words);
  };
  return () => void (calls[name] = call);
}

/** Two paths, exchanged: what is there, and a link to something else. */
export interface Exchange {
  out(): void;
  back(): void;
}

/** Replaces a path with something that `make` creates under another name beside it. */
export function exchangeOf(path: string, make: (beside: string) => void): Exchange {
  const [kept, other] = [`${path}.kept`, `${path}.other`];
  make(other);
  const rename = Deno.renameSync;
  return {
    out() {
      rename(path, kept);
      rename(other, path);
    },
    back() {
      rename(path, other);
      rename(kept, path);
    },
  };
}

/** What a round replaced, and when; for messages. */
export interface Round {
  readonly out: number;
  readonly back: number;
}

/**
 * Does work once for each point at which a path is exchanged, and each later one at which it is exchanged back (or never).
 *
 * @param prepare Makes what the work is done on anew, and what is exchanged in it.
 * @param span How many steps later it is exchanged back at most, besides never: where all of them would take too long.
 * @returns How many rounds that were.
 */
export async function atEachStep(
  prepare: () => Promise<{ exchange: Exchange; work: () => unknown; check: (round: Round) => Promise<void> | void }>,
  span = Infinity,
): Promise<number> {
  let rounds = 0;
  let calls = 1;
  for (let out = 0; out <= calls; out++) {
    const round = async (back: number) => {
      const { exchange, work, check } = await prepare();
      let isOut = false;
      calls = await interposed(work, (call) => {
        if (call === out) (exchange.out(), isOut = true);
        else if (call === back && isOut) (exchange.back(), isOut = false);
      });
      rounds += 1;
      await check({ out, back });
    };
    await round(Infinity);
    for (let back = out + 1; back < calls && back <= out + span; back++) await round(back);
  }
  return rounds;
}
