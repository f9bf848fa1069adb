/**
 * The worker thread of `hash_thread.ts`: bcrypt and `$apr1$`; in the background also Argon2id.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import { lowerPriority } from "../system/low_priority.ts";
import { apr1Matches } from "./apr1.ts";
import { argon2idMatches } from "./argon2id_digest.ts";

/** A password and the hash to compare it with. */
export interface Question {
  readonly id: number;
  readonly algorithm: "argon2id" | "bcrypt" | "apr1";
  readonly hash: string;
  readonly password: string;
}

/** Whether they match; otherwise the problem, as a sentence. */
export interface Answer {
  readonly id: number;
  readonly matches: boolean;
  readonly problem: string | null;
}

/** What is used of bcryptjs. */
interface Bcrypt {
  compareSync(password: string, hash: string): boolean;
}

/** Not a literal in `import()`: the runtime would then fetch the package at every start, for users without bcrypt too. */
const BCRYPT = "npm:bcryptjs@3.0.3";
const bcrypt = onDemand(() => import(BCRYPT) as Promise<Bcrypt>);

/** The worker scope: its types would conflict with those of the main program. */
const scope = self as unknown as {
  onmessage: (event: MessageEvent<Question | boolean>) => void;
  postMessage(answer: Answer): void;
};

/** The first message tells whether to work in the background. */
let ready: Promise<void> = Promise.resolve();

scope.onmessage = async ({ data }) => {
  if (typeof data === "boolean") {
    if (data) ready = lowerPriority();
    return;
  }
  try {
    await ready;
    scope.postMessage({ id: data.id, matches: await matches(data), problem: null });
  } catch (error) {
    scope.postMessage({ id: data.id, matches: false, problem: problemOf(error) });
  }
};

async function matches({ algorithm, hash, password }: Question): Promise<boolean> {
  if (algorithm === "argon2id") return await argon2idMatches(password, hash);
  return algorithm === "apr1" ? apr1Matches(password, hash) : (await bcrypt()).compareSync(password, hash);
}

function problemOf(error: unknown): string {
  const reason = error instanceof Error ? error.message.split("\n")[0]! : String(error);
  return `Cannot check bcrypt passwords, because ${BCRYPT} cannot be loaded; inside a Node project, run with ` +
    `--no-config, or set the passwords again with "pyserve passwd": ${reason}`;
}
