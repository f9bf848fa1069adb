/** `--trusted-proxy`: who may say who the client is. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runCommand, start } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const FIELD = "X-Forwarded-For: 6.6.6.6, 192.0.2.7";

Deno.test("the log has the address that a trusted proxy names, with each engine", async (t) => {
  await using tree = await tempTree({ "a.txt": "a" });
  for (const engine of [[], ["-p", "HTTP/1.0"]]) {
    await t.step(engine.join(" ") || "HTTP/1.1", async () => {
      await using command = await start([tree.path, ...engine, "--trusted-proxy", "10.0.0.0/8,127.0.0.1"]);
      await ask(command.port, "GET", "/a.txt", FIELD);
      await ask(command.port, "GET", "/a.txt", FIELD); // from the cache
      await command.untilStderr("GET /a.txt");
      assertEquals(await command.stop(), 0);
      assertEquals(command.stderr().match(/^192\.0\.2\.7 - - /gm)?.length, 2);
    });
  }
});

Deno.test("without a trusted proxy, nobody says so", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  for (const words of [[], ["--trusted-proxy", "10.0.0.0/8"]]) {
    await using command = await start([tree.path, ...words]);
    await ask(command.port, "GET", "/a.txt", FIELD);
    await command.untilStderr("127.0.0.1 - - ");
  }
});

Deno.test("failed logins are throttled by the address that a trusted proxy names", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const env = { WHO: "ann:right password" };
  await using command = await start([tree.path, "--auth-env", "WHO", "--trusted-proxy", "127.0.0.1"], { env });
  const as = async (client: string, password: string) => {
    const credentials = `Authorization: Basic ${btoa(`ann:${password}`)}`;
    return (await ask(command.port, "GET", "/a.txt", `X-Forwarded-For: ${client}`, credentials)).status;
  };
  assertEquals(await as("192.0.2.1", "right password"), 200);
  let last = 0;
  for (let time = 0; time < 30 && last !== 429; time++) last = await as("192.0.2.66", "wrong");
  assertEquals([last, await as("192.0.2.1", "right password")], [429, 200]);
});

Deno.test("what is not an address is refused", async () => {
  const { code, stderr } = await runCommand(["--trusted-proxy", "10.0.0.0/8,nginx"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "it is not a list of addresses");
});
