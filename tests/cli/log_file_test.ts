/** `--log-file`: rotations, a full disk, a directory that goes. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LogFile } from "../../cli/log_file.ts";
import { LogSink } from "../../cli/log_sink.ts";
import type { SiteSettings } from "../../cli/settings.ts";
import { runCommand, start } from "../support/command.ts";
import { hasProgram, missing } from "../support/programs.ts";
import { ask } from "../support/raw.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const decoder = new TextDecoder();

/** A log in a temporary directory, and what goes to standard error. */
function logIn(tree: TempTree, name: string) {
  const lines: string[] = [];
  const stderr = {
    write(bytes: Uint8Array) {
      lines.push(decoder.decode(bytes));
      return Promise.resolve(bytes.length);
    },
  };
  const sites = [{ root: tree.at("site"), mounts: [], server: {} } as unknown as SiteSettings];
  const file = LogFile.open(tree.at(name), sites, stderr);
  const sink = new LogSink(file);
  return {
    async line(text: string) {
      sink.line(text);
      await sink.flush(60_000);
    },
    stderr: () => lines.join(""),
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

Deno.test("a renamed, removed or truncated log goes on in a file of its name", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "log": "before\n" });
  using log = logIn(tree, "log");
  await log.line("1");
  Deno.renameSync(tree.at("log"), tree.at("log.1"));
  await log.line("2");
  Deno.removeSync(tree.at("log"));
  await log.line("3");
  Deno.truncateSync(tree.at("log"));
  await log.line("4");
  assertEquals(Deno.readTextFileSync(tree.at("log.1")), "before\n1\n");
  assertEquals(Deno.readTextFileSync(tree.at("log")), "4\n");
  assertEquals(log.stderr(), "");
});

Deno.test({
  name: "a new log is not for others",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "a" });
    using log = logIn(tree, "log");
    await log.line("1");
    assertEquals(Deno.statSync(tree.at("log")).mode! & 0o137, 0);
  },
});

Deno.test("while its directory is missing, lines go to standard error", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "logs/log": "" });
  using log = logIn(tree, "logs/log");
  await log.line("1");
  Deno.renameSync(tree.at("logs"), tree.at("gone"));
  await log.line("2");
  await log.line("3");
  Deno.mkdirSync(tree.at("logs"));
  await log.line("4");
  assertEquals(Deno.readTextFileSync(tree.at("gone/log")), "1\n");
  assertEquals(
    log.stderr(),
    `pyserve: Cannot log to "${tree.at("logs/log")}": there is no such directory; the log continues here until that ` +
      "is possible\n2\n3\n",
  );
  assertEquals(
    Deno.readTextFileSync(tree.at("logs/log")),
    "pyserve: earlier lines are on standard error, because there is no such directory\n4\n",
  );
});

Deno.test({
  name: "while the disk is full, lines go to standard error",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "a", "log": "" });
    using log = logIn(tree, "log");
    Deno.removeSync(tree.at("log"));
    Deno.symlinkSync("/dev/full", tree.at("log"));
    await log.line("1");
    assertStringIncludes(log.stderr(), "the disk is full; the log continues here until that is possible\n1\n");
    Deno.removeSync(tree.at("log"));
    await log.line("2");
    assertMatch(Deno.readTextFileSync(tree.at("log")), /^pyserve: earlier lines are .* the disk is full\n2\n$/);
  },
});

Deno.test({
  name: "a line that a full disk has cut ends before the next one",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0 || !hasProgram("mount"),
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "a", "small/x": "" });
    const mount = ["-t", "tmpfs", "-o", "size=4k", "none", tree.at("small")];
    if (!new Deno.Command("mount", { args: mount }).outputSync().success) return;
    try {
      using log = logIn(tree, "small/log");
      await log.line("a".repeat(4_000));
      await log.line("b".repeat(200));
      assertMatch(log.stderr(), /the disk is full; [^\n]*\nb{105}\n$/);
      new Deno.Command("mount", { args: ["-o", "remount,size=8k", tree.at("small")] }).outputSync();
      await log.line("c");
      const [, , note, last] = Deno.readTextFileSync(tree.at("small/log")).split("\n");
      assertEquals([note?.startsWith("pyserve: earlier lines are on standard error"), last], [true, "c"]);
    } finally {
      new Deno.Command("umount", { args: [tree.at("small")] }).outputSync();
    }
  },
});

Deno.test("what cannot be a log is refused at the start, in one sentence", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "site/.b": "" });
  const cases: [path: string, problem: string, ...more: string[]][] = [
    ["none/log", "there is no such directory"],
    ["site", `clients could read it, because "${tree.at("site")}" is served`],
    ["site/log", `clients could read it, because "${tree.at("site")}" is served`],
    ["site/.b", `clients could read it, because "${tree.at("site")}" is served`, "--hidden"],
    [".", "it is not a file"],
  ];
  for (const [path, problem, ...more] of cases) {
    const { code, stderr } = await runCommand([tree.at("site"), "0", "--log-file", tree.at(path), ...more]);
    assertEquals([code, stderr], [1, `pyserve: Cannot log to "${tree.at(path)}": ${problem}\n`]);
  }
});

Deno.test("nothing waits for the reader of a FIFO", { ignore: missing("mkfifo") }, async () => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  new Deno.Command("mkfifo", { args: [tree.at("fifo")] }).outputSync();
  const { code, stderr } = await runCommand([tree.at("site"), "0", "--log-file", tree.at("fifo")]);
  assertEquals([code, stderr], [1, `pyserve: Cannot log to "${tree.at("fifo")}": it is not a file\n`]);
});

const LOGROTATE: readonly string[] = ["create", "copytruncate", "nocreate"];

Deno.test("logrotate needs no script, with workers either", { ignore: missing("logrotate") }, async (t) => {
  for (const mode of LOGROTATE) {
    await t.step(mode, async () => {
      await using tree = await tempTree({ "site/a.txt": "a", "logs/x": "" });
      const path = tree.at("logs/log");
      const workers = mode === "create" && Deno.build.os === "linux" ? ["--workers", "2"] : [];
      await using server = await start([tree.at("site"), ...workers, "--log-format", "common", "--log-file", path]);
      await ask(server.port, "GET", "/a.txt?before");
      await until(() => Deno.readTextFileSync(path).includes("?before"));
      await Deno.writeTextFile(tree.at("conf"), `${path} {\n rotate 3\n ${mode}\n compress\n}\n`);
      Deno.chmodSync(tree.at("conf"), 0o644);
      Deno.chmodSync(tree.at("logs"), 0o755);
      const args = ["-f", "-s", tree.at("state"), tree.at("conf")];
      const { success, stderr } = await new Deno.Command("logrotate", { args }).output();
      assert(success, decoder.decode(stderr));
      await ask(server.port, "GET", "/a.txt?after");
      assertEquals(await server.stop("SIGTERM"), 0);
      assertMatch(Deno.readTextFileSync(path), /^\S+ - - \[.*\] "GET \/a\.txt\?after HTTP\/1\.1" 200 1\n$/);
      assertMatch(
        await gunzipped(tree.at("logs/log.1.gz")),
        /^\S+ - - \[.*\] "GET \/a\.txt\?before HTTP\/1\.1" 200 1\n$/,
      );
      assertEquals(server.stderr(), "");
    });
  }
});

async function gunzipped(path: string): Promise<string> {
  const file = await Deno.open(path);
  return await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
}
