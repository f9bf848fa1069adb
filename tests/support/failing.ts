/** Functions of the C library that fail, as if the system refused them. */

/** A table of functions, which includes the one for the address of `errno`. */
type Table = Record<string, unknown>;

type Call = (...words: unknown[]) => unknown;

/** A function that fails. */
export interface Failing extends Disposable {
  /** How often it was called and failed. */
  readonly count: number;
}

/**
 * Lets a function fail with a number in `errno`, until the end of the block.
 *
 * @param isFailing Whether a call fails, by its number from 0 on: each one unless given.
 */
export function failing(
  calls: object,
  name: string,
  errno: number,
  isFailing: (call: number) => boolean = () => true,
): Failing {
  const table = calls as Table;
  const call = table[name] as Call;
  const isLater = name.endsWith("Later");
  let made = 0;
  const failures = {
    count: 0,
    [Symbol.dispose]: () => void (table[name] = call),
  };
  table[name] = (...words: unknown[]) => {
    if (!isFailing(made++)) return call(...words);
    failures.count += 1;
    if (name === "close") call(...words); // fails, but the descriptor is closed
    setErrno(table, errno);
    return isLater ? Promise.resolve(-1) : -1;
  };
  return failures;
}

function setErrno({ __errno_location }: Table, errno: number): void {
  const address = (__errno_location as () => Deno.PointerObject)();
  new Int32Array(Deno.UnsafePointerView.getArrayBuffer(address, 4))[0] = errno;
}
