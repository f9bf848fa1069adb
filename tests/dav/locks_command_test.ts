/** The locks of the command: between workers, over a restart, and where there is no directory for them. */

import { assert, assertEquals } from "@std/assert";
import { runCommand, type RunningCommand, start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const LOCK_INFO = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';

/** The status of a request on a connection of its own, so that any worker may answer it. */
async function ask(
  { port }: RunningCommand,
  method: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Response> {
  const init = { method, headers: { ...headers, connection: "close" }, ...body !== undefined && { body } };
  const response = await fetch(`http://127.0.0.1:${port}/a.txt?on-conflict=overwrite`, init);
  await response.body?.cancel();
  return response;
}

async function statuses(
  server: RunningCommand,
  count: number,
  headers: Record<string, string> = {},
): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push((await ask(server, "PUT", headers, `${i}`)).status);
  return [...new Set(all)];
}

Deno.test({
  name: "locks hold between workers, survive a restart, and end for all",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "a", "home/": "" });
    const env = { HOME: tree.at("home"), XDG_STATE_HOME: "" };
    const args = ["--dav", "--upload", "--delete", "-d", tree.at("site"), "--workers", "2"];
    let token = "";
    {
      await using server = await start(args, { env });
      const locked = await ask(server, "LOCK", {}, LOCK_INFO);
      token = locked.headers.get("lock-token")!;
      assertEquals(locked.status, 200);
      assertEquals(await statuses(server, 10), [423]);
      assertEquals(await statuses(server, 10, { if: `(${token})` }), [204]);
      assertEquals(await server.stop(), 0);
    }
    assertEquals([...Deno.readDirSync(tree.at("home/.local/state/pyserve/locks"))].length, 1);
    await using server = await start(args, { env });
    assertEquals(await statuses(server, 10), [423]);
    assertEquals((await ask(server, "UNLOCK", { "lock-token": token })).status, 204);
    assertEquals(await statuses(server, 10), [204]);
  },
});

Deno.test({
  name: "litmus passes with two workers, which share the state directory",
  ignore: Deno.build.os !== "linux" || missing("litmus"),
  async fn() {
    await using tree = await tempTree({ "site/": "", "work/": "" });
    const args = ["--dav", "--all", "-d", tree.at("site"), "--state", tree.at("state"), "--workers", "2"];
    await using server = await start(args);
    const { stdout, success } = await new Deno.Command("litmus", {
      args: ["-k", `http://127.0.0.1:${server.port}/`],
      cwd: tree.at("work"), // for its log
    }).output();
    const report = new TextDecoder().decode(stdout);
    assert(success && !/FAIL|WARNING|SKIPPED/.test(report), report);
    assertEquals(report.match(/: (\d+) passed, 0 failed/g)?.length, 5, report);
  },
});

Deno.test("one process keeps locks in memory, and with --state in that directory", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "home/": "" });
  const env = { HOME: tree.at("home"), XDG_STATE_HOME: "" };
  const args = ["--dav", "--upload", "--delete", "-d", tree.at("site")];
  for (const [more, isKept] of [[[], false], [["--state", tree.at("state")], true]] as const) {
    for (const expected of [200, isKept ? 423 : 200]) {
      await using server = await start([...args, ...more], { env });
      assertEquals((await ask(server, "LOCK", {}, LOCK_INFO)).status, expected, more.join(" "));
    }
  }
  assert(![...Deno.readDirSync(tree.at("home"))].some(({ name }) => name === ".local"));
});

Deno.test("without the right to delete there are no locks, and OPTIONS says so", async () => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  for (const [more, classes] of [[[], "1"], [["--upload"], "1"], [["--upload", "--delete"], "1, 2"]] as const) {
    await using server = await start(["--dav", ...more, "-d", tree.at("site")]);
    const { headers } = await ask(server, "OPTIONS");
    assertEquals([headers.get("dav"), headers.get("allow")!.includes("LOCK")], [classes, classes === "1, 2"]);
    if (classes === "1") assert((await ask(server, "LOCK", {}, LOCK_INFO)).status >= 403);
  }
});

Deno.test("a directory that cannot be used for locks is a sentence", async () => {
  await using tree = await tempTree({ "site/": "", "file": "" });
  const args = ["--dav", "--upload", "--delete", "-d", tree.at("site"), "-b", "127.0.0.1", "0", "--state"];
  for (const state of [tree.at("file"), tree.at("site")]) {
    const { code, stderr } = await runCommand([...args, state]);
    assertEquals([code, stderr.trim().split("\n").length], [1, 1], stderr);
    assert(stderr.includes("--state"), stderr);
  }
});
