/** `--port 8000+`, `--open`, `--drain`. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runCommand, start } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { tempTree } from "../support/tree.ts";
import { until, within } from "../support/wait.ts";

const ON_UNIX = { ignore: Deno.build.os === "windows" };

/** The default of `--drain` is 10 seconds. */
const LESS_THAN_DEFAULT_MS = 9_000;

Deno.test("8000+ is the first free port from there, with each engine and with workers", async (t) => {
  await using tree = await tempTree({ "a.txt": "a" });
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const engines = [[], ["-p", "HTTP/1.0"], ...Deno.build.os === "linux" ? [["--workers", "2"]] : []];
  for (const words of engines) {
    await t.step(words.join(" ") || "HTTP/1.1", async () => {
      await using command = await start([tree.path, `--port=${port}+`, ...words]);
      assert(command.port > port && command.port <= port + 20, `${command.port}`);
      assertEquals(await (await fetch(`http://127.0.0.1:${command.port}/a.txt`)).text(), "a");
    });
  }
  await t.step("as an argument", async () => {
    await using command = await start([tree.path, `${port}+`]);
    assert(command.port > port);
  });
  await t.step("without the plus, it is an error", async () => {
    const { code, stderr } = await runCommand([tree.path, "-b", "127.0.0.1", String(port)]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, `port ${port}: it is in use`);
  });
  taken.close();
});

Deno.test("a port that is none is an error", async () => {
  for (const text of ["8000++", "+", "x+", "65536+"]) {
    const { code, stderr } = await runCommand([`--port=${text}`]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "it is not a port from 0 to 65535");
  }
});

Deno.test("--open gives the URL to the system's opener", { ignore: Deno.build.os !== "linux" }, async (t) => {
  await using tree = await tempTree({
    "site/a.txt": "a",
    "bin/xdg-open": '#!/bin/sh\necho "$1" > "$0.url"\n',
    "failing/xdg-open": "#!/bin/sh\nexit 3\n",
    "empty/none": "",
  });
  for (const name of ["bin", "failing"]) await Deno.chmod(tree.at(`${name}/xdg-open`), 0o755);
  const pathWith = (name: string) => ({ env: { PATH: `${tree.at(name)}:/usr/bin:/bin` } });
  await t.step("it is opened", async () => {
    await using command = await start([tree.at("site"), "--open"], pathWith("bin"));
    const told = tree.at("bin/xdg-open.url");
    await until(async () => (await Deno.readTextFile(told).catch(() => "")).endsWith("\n"), "the opener was called");
    assertEquals(await Deno.readTextFile(told), `http://127.0.0.1:${command.port}/\n`);
  });
  await t.step("an opener that fails does not stop the server", async () => {
    await using command = await start([tree.at("site"), "-o"], pathWith("failing"));
    await command.untilStderr("in a browser: xdg-open ended with status 3");
    assertEquals(await (await fetch(`http://127.0.0.1:${command.port}/a.txt`)).text(), "a");
  });
  await t.step("there is none", async () => {
    await using command = await start([tree.at("site"), "--open"], { env: { PATH: tree.at("empty") } });
    await command.untilStderr("in a browser: there is no xdg-open");
  });
  await t.step("it is not permitted", async () => {
    const run = ["--no-prompt", `--allow-read`, "--allow-net", "--allow-env", CLI];
    await using command = await start([tree.at("site"), "--open"], { run });
    await command.untilStderr("it is not permitted (--allow-run=xdg-open)");
  });
});

Deno.test("--drain limits the time for requests in progress after SIGTERM", ON_UNIX, async (t) => {
  await using tree = await tempTree({ "large.bin": new Uint8Array(30_000_000) });
  for (const [seconds, status] of [["0.2", 0], ["0", 0]] as const) {
    await t.step(seconds, async () => {
      await using command = await start([tree.path, "--drain", seconds]);
      const client = await Deno.connect({ port: command.port });
      await client.write(new TextEncoder().encode("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      await client.read(new Uint8Array(1_000)); // and then it reads nothing
      assertEquals(await within(command.stop("SIGTERM"), LESS_THAN_DEFAULT_MS), status);
      client.close();
    });
  }
});
