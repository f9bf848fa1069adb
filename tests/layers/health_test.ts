/** The health check: by anybody, of any host, and nothing else. */

import { assertEquals } from "@std/assert";
import { fileServer, memory, toFetch, wrap } from "@x/pyserve";
import { health } from "@x/pyserve/layers";
import { start } from "../support/command.ts";
import { raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

Deno.test("the command: without a login, of any host, unlogged, with each engine and with workers", async (t) => {
  await using tree = await tempTree({ "a.txt": "a" });
  const env = { WHO: "ann:right password" };
  for (const words of [[], ["-p", "HTTP/1.0"], ...Deno.build.os === "linux" ? [["--workers", "2"]] : []]) {
    await t.step(words.join(" ") || "HTTP/1.1", async () => {
      await using command = await start([tree.path, "--auth-env", "WHO", "--health", ...words], { env });
      const ask = (target: string, host: string) =>
        raw(command.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      const response = await ask("/-/health", "pod-7.internal:8000");
      assertEquals([response.status, response.text], [200, "ok\n"]);
      assertEquals((await ask("/-/../a.txt", "localhost")).status, 401);
      assertEquals((await ask("/-/health?x", "localhost")).status, 401);
      await command.untilStderr("/-/health?x");
      assertEquals(command.stderr().includes('"GET /-/health HTTP'), false);
    });
  }
});

Deno.test("without the option, the path is one like others", async () => {
  await using tree = await tempTree({ "-/health": "a file" });
  await using command = await start([tree.path]);
  assertEquals(await (await fetch(`http://127.0.0.1:${command.port}/-/health`)).text(), "a file");
});

Deno.test("HEAD is answered, other methods are not, and another path can be given", async () => {
  const log = { access() {}, error() {} };
  const ask = toFetch(wrap(fileServer(memory({}), { log: false }), health({ path: "/up" })), { log });
  const status = async (path: string, method: string) => {
    const response = await ask(new Request(`http://localhost${path}`, { method }));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await status("/up", "HEAD"), await status("/up", "GET")], [200, 200]);
  assertEquals([await status("/up", "POST"), await status("/-/health", "GET")], [405, 404]);
});
