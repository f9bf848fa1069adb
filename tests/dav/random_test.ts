/** Random requests of two clients, with locks, against a model: what is done, what is refused, and what is left. */

import { assert, assertEquals } from "@std/assert";
import { davFeature, lockTable } from "../../handlers/mod.ts";
import { derive, fileServer, type Layer, toFetch, uploadFeatures } from "../../mod.ts";
import { treeOf } from "../store/support.ts";
import { seeded } from "../support/random.ts";
import { tempTree } from "../support/tree.ts";
import { LockModel, parentOf } from "./lock_model.ts";

const STEPS = 2_000;

const PATHS = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"];

const AS: Layer = (next) => (request, context) =>
  next(request, derive(context, { user: request.headers.get("x-user") }));

/** What becomes of a request: done, refused because of a lock alone, or refused for another reason, if not for that alone. */
type Verdict = "done" | "locked" | "refused";

class Model {
  readonly files = new Map<string, string | null>();
  readonly locks = new LockModel();

  constructor(readonly by: string, readonly tokens: readonly string[]) {}

  as(by: string, tokens: readonly string[]): Model {
    return Object.create(this, { by: { value: by }, tokens: { value: tokens } });
  }

  has(path: string): boolean {
    return path === "/" || this.files.has(path);
  }

  isDirectory(path: string): boolean {
    return path === "/" || this.files.get(path) === null;
  }

  below(path: string): string[] {
    return [...this.files.keys()].filter((each) => each.startsWith(`${path}/`));
  }

  verdict(isValid: boolean, isFree: boolean): Verdict {
    return !isValid ? "refused" : isFree ? "done" : "locked";
  }

  /** Whether a name may be written to: replaced, or added to its directory. */
  mayStore(path: string): boolean {
    if (this.has(path)) return this.locks.mayTouch([path], this.by, this.tokens);
    return this.locks.mayWrite(path, this.by, this.tokens, false);
  }

  put(path: string, content: string): Verdict {
    const verdict = this.verdict(this.isDirectory(parentOf(path)) && !this.isDirectory(path), this.mayStore(path));
    if (verdict === "done") this.files.set(path, content);
    return verdict;
  }

  makeDirectory(path: string): Verdict {
    const isValid = !this.has(path) && this.isDirectory(parentOf(path));
    const verdict = this.verdict(isValid, this.mayStore(path));
    if (verdict === "done") this.files.set(path, null);
    return verdict;
  }

  remove(path: string): Verdict {
    const verdict = this.verdict(this.has(path), this.locks.mayWrite(path, this.by, this.tokens, true));
    if (verdict === "done") this.drop(path);
    return verdict;
  }

  drop(path: string): void {
    for (const each of [path, ...this.below(path)]) this.files.delete(each);
    this.locks.removed(path);
  }

  transfer(from: string, to: string, { moves }: { readonly moves: boolean }): Verdict {
    const isInside = from === to || from.startsWith(`${to}/`) || to.startsWith(`${from}/`);
    const isWhole = this.has(to) && (this.isDirectory(from) || this.isDirectory(to));
    const isFree = (isWhole ? this.locks.mayWrite(to, this.by, this.tokens, true) : this.mayStore(to)) &&
      (!moves || this.locks.mayWrite(from, this.by, this.tokens, true));
    const verdict = this.verdict(this.has(from) && this.isDirectory(parentOf(to)) && !isInside, isFree);
    if (verdict !== "done") return verdict;
    if (isWhole) this.drop(to);
    const entries = [from, ...this.below(from)].map((path) =>
      [to + path.slice(from.length), this.files.get(path)!] as const
    );
    if (moves) this.drop(from);
    for (const [path, content] of entries) this.files.set(path, content);
    return verdict;
  }
}

Deno.test("2,000 random requests of two clients agree with a model of files and locks", async () => {
  await using tree = await tempTree();
  const options = { rights: { create: true, change: true }, locks: lockTable() };
  const features = [davFeature(options), ...uploadFeatures(options)];
  const fetch = toFetch(fileServer(tree.path, { features, layers: [AS], log: false }));
  const all = new Model("", []);
  const random = seeded(2_518);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const counts: Record<string, number> = {};
  for (let step = 0; step < STEPS; step++) {
    const [user, path, to] = [pick(["ann", "ben"]), pick(PATHS), pick(PATHS)];
    const live = [...all.locks.locks];
    const tokens = live.filter(({ by }) => random() < (by === user ? 0.8 : 0.2)).map(({ token }) => token);
    const model = all.as(user, tokens);
    const submitted = [...tokens.map((token) => `(<${token}>)`), "(Not <DAV:no-lock>)"].join(" ");
    const ask = async (method: string, headers: Record<string, string> = {}, body?: string) => {
      const sent = { "x-user": user, ...method !== "UNLOCK" && { if: submitted }, ...headers };
      const request = new Request(`http://localhost${path}`, { method, headers: sent, ...body && { body } });
      const response = await fetch(request);
      await response.body?.cancel();
      return response;
    };
    const kind = pick(["put", "put", "mkcol", "delete", "copy", "move", "lock", "lock", "unlock", "read"]);
    let verdict: Verdict = "done";
    let status = 0;
    if (kind === "put") {
      status = (await ask("PUT", {}, `${step}`)).status;
      verdict = model.put(path, `${step}`);
    } else if (kind === "mkcol") {
      status = (await ask("MKCOL")).status;
      verdict = model.makeDirectory(path);
    } else if (kind === "delete") {
      status = (await ask("DELETE")).status;
      verdict = model.remove(path);
    } else if (kind === "copy" || kind === "move") {
      status = (await ask(kind.toUpperCase(), { destination: to })).status;
      verdict = model.transfer(path, to, { moves: kind === "move" });
    } else if (kind === "lock") {
      const [isDeep, isShared] = [random() < 0.5, random() < 0.5];
      // Not so many that a shared lock is refused for their number.
      if (live.length > 5) { for (const { token, path, by } of live) await unlock(token, path, by); }
      const scope = isShared ? "shared" : "exclusive";
      const body = `<lockinfo xmlns="DAV:"><lockscope><${scope}/></lockscope><locktype><write/></locktype></lockinfo>`;
      const response = await ask("LOCK", { depth: isDeep ? "infinity" : "0" }, body);
      status = response.status === 207 ? 423 : response.status;
      const isFree = model.has(path) || model.mayStore(path);
      const isValid = model.has(path) || model.isDirectory(parentOf(path));
      verdict = model.verdict(isValid, isFree && model.locks.canTake(path, isDeep, isShared));
      const [, token = ""] = /^<(.*)>$/.exec(response.headers.get("lock-token") ?? "") ?? [];
      if (verdict === "done") {
        all.locks.locks.push({ path, isDeep, isShared, by: user, token, expires: Infinity });
        if (!model.has(path)) all.files.set(path, "");
      }
    } else if (kind === "unlock" && live.length > 0) {
      const lock = pick(live);
      status = await unlock(lock.token, lock.path, user);
      verdict = lock.by === user ? "done" : "refused";
    } else {
      const { status } = await ask("GET");
      assertEquals(status === 404, !model.has(path), `${step}: GET ${path}`);
      continue;
    }
    const title = `${step}: ${user} ${kind} ${path} ${to} -> ${status}, ${JSON.stringify(all.locks.locks)}`;
    const actual = status < 300 ? "done" : status === 423 ? "locked" : "refused";
    assert(verdict === actual || (verdict === "refused" && actual !== "done"), `${title}: ${verdict}`);
    counts[`${kind} ${verdict}`] = (counts[`${kind} ${verdict}`] ?? 0) + 1;
    const expected = [...all.files].map(([path, content]) => [path.slice(1), content]).sort();
    assertEquals(Object.entries(treeOf(tree.path)).sort(), expected, title);
  }
  for (const feature of features) await feature.end?.();
  assert(Object.keys(counts).length >= 19, JSON.stringify(counts));

  async function unlock(token: string, path: string, user: string): Promise<number> {
    const headers = { "x-user": user, "lock-token": `<${token}>` };
    const { status } = await fetch(new Request(`http://localhost${path}`, { method: "UNLOCK", headers }));
    if (status === 204) all.locks.locks = all.locks.locks.filter((lock) => lock.token !== token);
    return status;
  }
});
