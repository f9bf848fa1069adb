/** What clients send does not make the server grow. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "../support/paths.ts";

/** Without a bound, 100,000 entries of the smallest kind would take more. */
const MAX_BYTES = 10_000_000;

Deno.test("100,000 distinct sessions, shares, credentials and targets take no more memory than a few thousand", async () => {
  const fixture = fromFileUrl("../identity/growth_fixture.ts");
  const args = ["run", "-A", "--no-check", "--v8-flags=--expose-gc", fixture];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  const grown: Record<string, number> = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(Object.keys(grown), ["sessions", "shares", "credentials", "targets"]);
  for (const [kind, bytes] of Object.entries(grown)) assert(bytes < MAX_BYTES, `${kind} take ${bytes} bytes`);
});
