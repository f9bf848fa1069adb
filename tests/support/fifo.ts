/** FIFOs, and a time limit for work that might block on one. */

/** Seconds that something may wait. */
const LIMIT_SECONDS = 20;

/** The exit status of the unblocking process if it was not needed. */
const NOT_NEEDED = 3;

/** Makes a FIFO. */
export function makeFifo(name: string): void {
  new Deno.Command("mkfifo", { args: [name] }).outputSync();
}

/**
 * A limit for a block that may open a FIFO. A blocking `open` stops this thread and all its timers, so another
 * process writes to the FIFO after a while, and the end of the block fails.
 */
export function limitOpening(...names: readonly string[]): AsyncDisposable {
  const script = `trap 'kill $!; exit ${NOT_NEEDED}' TERM; echo; sleep ${LIMIT_SECONDS} & wait $!; ` +
    `for f; do [ -p "$f" ] && echo FIFO > "$f"; done; exit 0`;
  const rescue = new Deno.Command("sh", { args: ["-c", script, "sh", ...names], stdin: "null", stdout: "piped" })
    .spawn();
  return {
    async [Symbol.asyncDispose]() {
      const reader = rescue.stdout.getReader();
      await reader.read(); // its signal handler is set by then
      await reader.cancel();
      try {
        rescue.kill();
      } catch {
        // It has ended.
      }
      const { code } = await rescue.status;
      if (code !== NOT_NEEDED) throw new Error(`Something waited for ${LIMIT_SECONDS} s for the other end of a FIFO`);
    },
  };
}
