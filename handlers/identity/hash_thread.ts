/**
 * Threads for hashes that are computed in JavaScript, which would block all other requests in this one, and for those that
 * can wait until the machine has nothing else to do.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import type { Answer, Question } from "./hash_worker.ts";

/** The thread ends after this time without a question, in milliseconds, so that it does not keep a process alive. */
const IDLE_MS = 1_000;

type Waiter = ReturnType<typeof Promise.withResolvers<boolean>>;

/** By whether they run in the background. */
const threads = new Map<boolean, HashThread>();

/** The thread; it is started by the first question. One in the background has the lowest priority. */
export function hashThread(inBackground: boolean): HashThread {
  const thread = threads.get(inBackground) ?? new HashThread(inBackground);
  threads.set(inBackground, thread);
  return thread;
}

/** Ends the threads now, if they run: questions under way fail. */
export function endHashThread(): void {
  for (const thread of threads.values()) thread[Symbol.dispose]();
}

/** A worker that compares passwords with hashes. */
class HashThread implements Disposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiter>();
  #asked = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(inBackground: boolean) {
    this.#worker = new Worker(new URL("./hash_worker.ts", import.meta.url), { type: "module" });
    this.#worker.postMessage(inBackground);
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#answer(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(`Cannot check passwords of this kind: ${event.message}`);
    };
  }

  /** Whether a password matches a hash. Rejects with one sentence where the algorithm cannot be loaded. */
  matches(question: Omit<Question, "id">): Promise<boolean> {
    clearTimeout(this.#idle);
    const id = this.#asked++;
    const waiter = Promise.withResolvers<boolean>();
    this.#waiting.set(id, waiter);
    this.#worker.postMessage({ id, ...question } satisfies Question);
    return waiter.promise;
  }

  #answer({ id, matches, problem }: Answer): void {
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (problem === null) waiter?.resolve(matches);
    else waiter?.reject(new Error(problem));
    if (this.#waiting.size === 0) this.#idle = setTimeout(() => this[Symbol.dispose](), IDLE_MS);
  }

  [Symbol.dispose](): void {
    this.#end("The server is stopping");
  }

  #end(reason: string): void {
    clearTimeout(this.#idle);
    for (const [key, thread] of threads) if (thread === this) threads.delete(key);
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}

/** Never called: makes the worker's module part of the module graph, for publishing and for `deno compile`. */
export const otherThread: () => Promise<unknown> = onDemand(() => import("./hash_worker.ts"));
