/** Wrong passwords in bulk, sent to a server. */

import { assert, assertEquals } from "@std/assert";
import { hashPassword } from "../../handlers/identity/password.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

/** More than an address may try, and than may be under way at a time. */
const ATTEMPTS = 300;

async function withServer(run: (url: string) => Promise<void>) {
  await using tree = await tempTree({ "site/a.txt": "a", "users": `ann:${await hashPassword("secret")}\n` });
  await Deno.chmod(tree.at("users"), 0o600);
  await using server = await start([tree.at("site"), "--quiet", "--auth", tree.at("users")], {
    env: { XDG_STATE_HOME: tree.at("state") },
  });
  await run(`http://127.0.0.1:${server.port}/`);
}

async function answer(url: string, credentials: string): Promise<readonly [status: number, retryAfter: string | null]> {
  const response = await fetch(url, { headers: { authorization: `Basic ${btoa(credentials)}` } });
  await response.body?.cancel();
  return [response.status, response.headers.get("retry-after")];
}

for (const clients of [4, 64]) {
  for (const [which, nameOf] of [["one name", () => "ann"], ["many names", (n: number) => `u${n}`]] as const) {
    Deno.test(`wrong passwords for ${which}, sent by ${clients} clients: a few are checked, all others get 429`, async () => {
      await withServer(async (url) => {
        const answers: (readonly [number, string | null])[] = [];
        let sent = 0;
        const client = async () => {
          while (sent < ATTEMPTS) {
            const n = sent++;
            answers.push(await answer(url, `${nameOf(n)}:wrong ${n}`));
          }
        };
        await Promise.all(Array.from({ length: clients }, client));
        const checked = answers.filter(([status]) => status === 401).length;
        const refused = answers.filter(([status, after]) => status === 429 && Number(after) >= 1).length;
        assertEquals([answers.length, checked + refused], [ATTEMPTS, ATTEMPTS]);
        // One more each time that a delay ends, which doubles.
        assert(checked >= 4 && checked < 45, `${checked} were checked`);
      });
    });
  }
}
