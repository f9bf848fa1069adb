/** Prints how many bytes the heap has grown by 100,000 distinct values of each kind; run with --expose-gc. */

import { toFetch } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { Sessions } from "../../handlers/identity/sessions.ts";
import { Shares } from "../../handlers/identity/shares.ts";
import { SitePath } from "../../handlers/http/target.ts";
import type { Users } from "../../handlers/identity/users.ts";

const COUNT = 100_000;
const KEY = new Uint8Array(32).fill(7);
const find = (name: string) => ({ name, epoch: name });
const users: Users = { find, verify: (name, password) => password === "right" ? find(name) : null };

const sessions = new Sessions({ key: KEY });
const shares = new Shares(KEY);
const layer = auth({ users, rules: ["anyone:read"] });
const site = toFetch(layer(() => new Response(null)));

const KINDS: Readonly<Record<string, (n: number) => unknown>> = {
  sessions(n) {
    const { text } = sessions.issue(find(`u${n}`));
    const session = sessions.verify(text)!;
    return sessions.belongsTo(session, find(`u${n}`));
  },
  shares: (n) =>
    shares.verify(
      shares.make({ paths: [SitePath.root.child(`f${n}`)!], rights: new Set(["read"]), expires: Infinity }, null).token,
    ),
  credentials: (n) =>
    site(new Request("http://localhost/", { headers: { authorization: `Basic ${btoa(`u${n}:right`)}` } })),
  targets: (n) => site(new Request(`http://localhost/f${n}`)),
};

/** In a new task: what a WeakRef refers to lives to the end of the task that has looked at it. */
async function heap(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve));
  (globalThis as unknown as { gc(): void }).gc();
  return Deno.memoryUsage().heapUsed;
}

const grown: Record<string, number> = {};
for (const [kind, use] of Object.entries(KINDS)) {
  for (let n = 0; n < 1_000; n++) await use(COUNT + n);
  const before = await heap();
  for (let n = 0; n < COUNT; n++) await use(n);
  grown[kind] = await heap() - before;
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(grown)));
