/** Random operations of two clients with locks, against a model. */

import { assert, assertEquals } from "@std/assert";
import { davFeature, lockTable, propertyTable } from "../../handlers/mod.ts";
import { fileServer, toFetch, uploadFeatures } from "../../mod.ts";
import { treeOf } from "../store/support.ts";
import { tempTree } from "../support/tree.ts";
import { type Fetch, send } from "./support.ts";

const STEPS = 2_000;
const SEED = 20_261_128;
const LOCK = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';

interface Lock {
  readonly root: string;
  readonly client: number;
  readonly token: string;
}

interface Step {
  readonly method: "PUT" | "MKCOL" | "DELETE" | "COPY" | "MOVE" | "LOCK" | "UNLOCK";
  readonly client: number;
  readonly path: string;
  readonly to: string;
  readonly overwrites: boolean;
  readonly content: string;
}

/** Whether a path is another one, or in it. */
function isWithin(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}/`);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** What the tree should be: contents of files, null for directories. All locks are exclusive, with all that is below. */
class Model {
  tree = new Map<string, string | null>();
  locks: Lock[] = [];

  /**
   * The status that a step must have, and what it does; 423 stands for any error because of a lock of the other client, and
   * -1 for any where there are several reasons.
   */
  take(step: Step): number {
    const status = this.#statusOf(step);
    if (status < 200 || status >= 300) return status;
    const { method, path, to, content } = step;
    if (method === "PUT") this.tree.set(path, content);
    if (method === "MKCOL") this.tree.set(path, null);
    if (method === "DELETE") this.#remove(path);
    if (method === "COPY" || method === "MOVE") this.#place(path, to, method === "MOVE");
    return status;
  }

  /** The names at and in a path. */
  within(outer: string): string[] {
    return [...this.tree.keys()].filter((path) => isWithin(path, outer));
  }

  #statusOf({ method, client, path, to, overwrites }: Step): number {
    const [there, isThere] = [this.tree.get(path), this.tree.has(path)];
    if (method === "LOCK" || method === "UNLOCK") return 0;
    const isRemoving = method === "DELETE" || method === "MOVE";
    if (method !== "COPY" && this.#isBlocked(path, client, isRemoving)) return 423;
    if (method === "PUT") return there === null || !this.#isDirectory(parentOf(path)) ? 409 : isThere ? 204 : 201;
    if (method === "MKCOL") return isThere ? 405 : this.#isDirectory(parentOf(path)) ? 201 : 409;
    if (method === "DELETE") return isThere ? 204 : 404;
    if (this.#isBlocked(to, client, true)) return 423;
    const isNested = isWithin(to, path) || isWithin(path, to);
    if (!isThere) return isNested || !this.#isDirectory(parentOf(to)) ? -1 : 404;
    if (isNested) return this.#nested(path, to, overwrites);
    if (!this.tree.has(to)) return this.#isDirectory(parentOf(to)) ? 201 : 409;
    return overwrites ? 204 : 412;
  }

  /** A copy or move into itself, or onto what it is in: an error in any case. */
  #nested(path: string, to: string, overwrites: boolean): number {
    return path !== to && isWithin(path, to) ? overwrites ? 403 : 412 : -1;
  }

  #isDirectory(path: string): boolean {
    return path === "" || this.tree.get(path) === null;
  }

  #isBlocked(path: string, client: number, isWhole: boolean): boolean {
    return this.locks.some((lock) =>
      lock.client !== client && (isWithin(path, lock.root) || (isWhole && isWithin(lock.root, path)))
    );
  }

  #remove(path: string): void {
    for (const each of this.within(path)) this.tree.delete(each);
    this.locks = this.locks.filter(({ root }) => !isWithin(root, path));
  }

  #place(from: string, to: string, isMove: boolean): void {
    const entries = this.within(from).map((
      path,
    ): [string, string | null] => [to + path.slice(from.length), this.tree.get(path)!]);
    const isReplacedWhole = this.tree.has(to) && (this.tree.get(from) === null || this.tree.get(to) === null);
    if (isReplacedWhole) this.#remove(to);
    if (isMove) this.#remove(from);
    for (const [path, content] of entries) this.tree.set(path, content);
  }
}

/** Random steps, always the same ones for a seed. */
function* stepsOf(seed: number): Generator<Step> {
  let state = seed;
  const below = (limit: number) => (state = (state * 48_271) % 2_147_483_647) % limit;
  const pathOf = () => Array.from({ length: 1 + below(3) }, () => `/${"abc"[below(3)]}`).join("");
  const methods = ["PUT", "PUT", "MKCOL", "MKCOL", "MKCOL", "DELETE", "COPY", "MOVE", "LOCK", "UNLOCK"] as const;
  for (let step = 0; step < STEPS; step++) {
    const method = methods[below(methods.length)]!;
    yield { method, client: below(2), path: pathOf(), to: pathOf(), overwrites: below(2) === 0, content: `${step}` };
  }
}

/** Sends a step with all tokens of its client, and returns the response. */
function sendStep(
  fetch: Fetch,
  model: Model,
  { method, client, path, to, overwrites, content }: Step,
): Promise<Response> {
  const own = model.locks.filter((lock) => lock.client === client);
  const tokens = own.map(({ root, token }) => `<${root}> (<${token}>)`).join(" ");
  const headers: Record<string, string> = {
    ...(tokens !== "" && method !== "LOCK" && { if: tokens }),
    ...((method === "COPY" || method === "MOVE") && { destination: to, overwrite: overwrites ? "T" : "F" }),
  };
  return send(fetch, method, path, headers, method === "PUT" ? content : method === "LOCK" ? LOCK : undefined);
}

/** LOCK of what is there, and UNLOCK of the latest lock of the client. */
async function lockStep(fetch: Fetch, model: Model, step: Step): Promise<void> {
  const { method, client, path } = step;
  if (method === "UNLOCK") {
    const lock = model.locks.findLast((lock) => lock.client === client);
    if (lock === undefined) return;
    const { status } = await send(fetch, "UNLOCK", lock.root, { "lock-token": `<${lock.token}>` });
    assertEquals(status, 204);
    model.locks = model.locks.filter((each) => each !== lock);
    return;
  }
  if (!model.tree.has(path)) return;
  const isFree = !model.locks.some(({ root }) => isWithin(root, path) || isWithin(path, root));
  const response = await sendStep(fetch, model, step);
  await response.body?.cancel();
  if (!isFree) return assert(response.status === 423 || response.status === 207, `${response.status}`);
  assertEquals(response.status, 200, JSON.stringify([step, model.locks]));
  model.locks.push({ root: path, client, token: response.headers.get("lock-token")!.slice(1, -1) });
}

Deno.test(`${STEPS} random operations of two clients with locks do what a model says`, async () => {
  await using tree = await tempTree();
  const options = { rights: { create: true, change: true }, locks: lockTable(), followers: propertyTable() };
  const features = [davFeature(options), ...uploadFeatures(options)];
  const fetch = toFetch(fileServer(tree.path, { features, log: false }));
  const model = new Model();
  const seen = new Map<string, number>();
  for (const step of stepsOf(SEED)) {
    const note = JSON.stringify([step, model.locks.map(({ root, client }) => `${client} ${root}`)]);
    if (step.method === "LOCK" || step.method === "UNLOCK") await lockStep(fetch, model, step);
    else {
      const response = await sendStep(fetch, model, step);
      await response.body?.cancel();
      const expected = model.take(step);
      if (expected === 423 || expected === -1) assert(response.status >= 400, note);
      else assertEquals(response.status, expected, note);
      seen.set(`${step.method} ${expected}`, (seen.get(`${step.method} ${expected}`) ?? 0) + 1);
    }
    assertEquals(
      treeOf(tree.path),
      Object.fromEntries(
        [...model.tree].map(([path, content]) => [path.slice(1), content]).sort(([a], [b]) => a! < b! ? -1 : 1),
      ),
      note,
    );
  }
  for (const each of ["PUT 201", "PUT 204", "PUT 423", "COPY 204", "MOVE 204", "MOVE 412", "DELETE 423"]) {
    assert((seen.get(each) ?? 0) > 0, `${each}: ${JSON.stringify([...seen])}`);
  }
  for (const feature of features) await feature.end?.();
});
