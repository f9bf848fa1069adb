/**
 * The file that was looked up last.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { Found } from "./contained.ts";
import type { FileStat } from "./types.ts";

/**
 * Holds the file that was looked up last until the current turn of the event loop ends: whoever opens it in the same turn
 * needs no second lookup. What is opened is what was looked up, whatever has its name by then.
 */
export class LastLookup {
  #last: { readonly path: SitePath; readonly seen: FileStat; readonly found: Found } | null = null;
  #endsWithTurn = false;

  /** Takes ownership of a file, and closes the previous one. */
  keep(path: SitePath, seen: FileStat, found: Found): void {
    this.#close();
    this.#last = { path, seen, found };
    if (this.#endsWithTurn) return;
    this.#endsWithTurn = true;
    queueMicrotask(() => {
      this.#endsWithTurn = false;
      this.#close();
    });
  }

  /** The file, if it is held; the caller disposes of it. */
  take(path: SitePath, seen: FileStat): Found | null {
    if (this.#last === null || this.#last.path !== path || this.#last.seen !== seen) return null;
    const { found } = this.#last;
    this.#last = null;
    return found;
  }

  #close(): void {
    this.#last?.found[Symbol.dispose]();
    this.#last = null;
  }
}
