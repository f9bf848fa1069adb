/** The command with no more permissions than it needs, and with less. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/join";
import { runCommand, start } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

/** The form of access lines, as opposed to error lines. */
const ACCESS_LINE = /^127\.0\.0\.1 - - \[[^\]]+\] ("\S+ \S+ HTTP\/1\.1" \d{3} -|code 404, message File not found)$/;

/** For `deno run`: the command with these permissions only. */
function permitted(...flags: string[]): { run: string[] } {
  return { run: ["--no-prompt", ...flags, CLI] };
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

Deno.test("the command needs no more than reading the directory and listening", async () => {
  await using tree = await tempTree({ "a.txt": "a", "folder/b.txt": "b" });
  await using command = await start([tree.path], permitted(`--allow-read=${tree.path}`, "--allow-net=127.0.0.1"));
  assertEquals((await ask(command.port, "GET", "/a.txt")).text, "a");
  assertEquals((await ask(command.port, "GET", "/folder/b.txt")).text, "b");
  assertStringIncludes((await ask(command.port, "GET", "/", "Accept: text/html")).text, 'href="folder/"');
  assertEquals((await ask(command.port, "GET", "/absent")).status, 404);
  await command.stop();
  for (const line of linesOf(command.stderr())) assertMatch(line, ACCESS_LINE);
});

Deno.test("The current directory can be permitted as --allow-read=.", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const permissions = permitted("--allow-read=.", "--allow-net=127.0.0.1");
  await using command = await start([], { ...permissions, cwd: tree.path });
  assertEquals((await ask(command.port, "GET", "/a.txt")).text, "a");
  assertStringIncludes((await ask(command.port, "GET", "/")).text, "a.txt");
  await command.stop();
  for (const line of linesOf(command.stderr())) assertMatch(line, ACCESS_LINE);
});

Deno.test("On all interfaces it starts without the permission to name them", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const permissions = permitted(`--allow-read=${tree.path}`, "--allow-net=0.0.0.0");
  await using command = await start([tree.path, "--bind", "0.0.0.0"], permissions);
  assertEquals((await ask(command.port, "GET", "/a.txt")).text, "a");
  await command.stop();
  for (const line of linesOf(command.stderr())) assertMatch(line, ACCESS_LINE);
});

const MISSING: { flag: string; given: (directory: string) => string[] }[] = [
  { flag: "--allow-net", given: (directory) => [`--allow-read=${directory}`] },
  { flag: "--allow-net", given: (directory) => [`--allow-read=${directory}`, "--allow-net=127.0.0.2"] },
  { flag: "--allow-read", given: () => ["--allow-net=127.0.0.1"] },
  { flag: "--allow-read", given: (directory) => [`--allow-read=${directory}/folder`, "--allow-net=127.0.0.1"] },
];

for (const { flag, given } of MISSING) {
  const shown = given("DIR").join(" ");
  Deno.test(`with ${shown} it does not start, and names ${flag} in one line`, async () => {
    await using tree = await tempTree({ "folder/": "" });
    const ended = await runCommand([tree.path, "-b", "127.0.0.1", "0"], permitted(...given(tree.path)));
    assertEquals(ended.code, 1);
    assertEquals(ended.stdout, "");
    assertEquals(linesOf(ended.stderr).length, 1, ended.stderr);
    assertMatch(ended.stderr, /^pyserve: [^\n]+\n$/);
    assertStringIncludes(ended.stderr, flag);
  });
}

Deno.test("missing permissions for programs and uploads are reported at start, in one line that names the flag", async (t) => {
  await using tree = await tempTree({ "cgi-bin/a.sh": "#!/bin/sh\n", "a.php": "" });
  const run = (...flags: string[]) =>
    permitted("--allow-read", "--allow-env=PATH,PATHEXT", "--allow-net=127.0.0.1:0", ...flags);
  const rows: readonly [args: string[], flag: string][] = [
    [["--upload"], "--allow-write"],
    [["--delete"], "--allow-write"],
    [["--cgi"], "--allow-run"],
    [["--cgi-ext", ".sh"], "--allow-run"],
    [["--cgi-map", `.x=${Deno.execPath()}`], "--allow-run"],
    [["--cgi-mount", `/x=${Deno.execPath()}`], "--allow-run"],
    [["--fastcgi", ".php=127.0.0.1:9"], "--allow-net"],
    [["--fastcgi", `.php=unix:${tree.at("s")}`], "--allow-write"],
    [["--proxy", "/api=http://127.0.0.1:9"], "--allow-net"],
  ];
  for (const [args, flag] of rows) {
    await t.step(args[0]!, async () => {
      const ended = await runCommand([tree.path, "-b", "127.0.0.1", "0", ...args], run());
      assertEquals([ended.code, ended.stdout], [1, ""]);
      assertMatch(ended.stderr, /^pyserve: [^\n]+\n$/);
      assertStringIncludes(ended.stderr, `(${flag})`);
    });
  }
  await t.step("a list that includes the program is enough", async () => {
    await using _command = await start([tree.path, "--cgi"], run(`--allow-run=${tree.at("cgi-bin/a.sh")}`));
  });
});

Deno.test("What must not be read is 403, and the log names the flag once", async () => {
  await using tree = await tempTree({ "a.txt": "a", "private/b.txt": "b" });
  const permissions = permitted(
    `--allow-read=${tree.path}`,
    `--deny-read=${tree.at("private")}`,
    "--allow-net=127.0.0.1",
  );
  await using command = await start([tree.path], permissions);
  const refused = await ask(command.port, "GET", "/private/b.txt");
  assertEquals(refused.status, 403);
  for (const secret of [tree.path, "--allow-read"]) assert(!refused.text.includes(secret));
  assertEquals((await ask(command.port, "GET", "/a.txt")).text, "a");
  await command.stop();
  const lines = linesOf(command.stderr()).filter((line) => line.startsWith("pyserve: "));
  assertEquals(lines.length, 1, command.stderr());
  assertMatch(lines[0]!, /^pyserve: Cannot answer GET \/private\/b\.txt: .*--allow-read/);
  for (const line of linesOf(command.stderr())) assertMatch(line, /^(pyserve: |127\.0\.0\.1 - - \[)/); // no stack
});

Deno.test("a directory that may be read lists entries that may not, and a directory that may not be read is refused", async () => {
  await using tree = await tempTree({ "a.txt": "a", "private/b.txt": "b" });
  const permissions = permitted(
    `--allow-read=${tree.path}`,
    `--deny-read=${tree.at("private")}`,
    "--allow-net=127.0.0.1",
  );
  await using command = await start([tree.path], permissions);
  const listing = await ask(command.port, "GET", "/?format=json");
  const entries: { name: string; problem: string | null }[] = JSON.parse(listing.text).entries;
  assertEquals(entries.map(({ name, problem }) => [name, problem]), [["a.txt", null], ["private", "not readable"]]);
  assertEquals((await ask(command.port, "GET", "/private/")).status, 403);
  await command.stop();
});

/** Places that a request or a link may try to reach. */
const TRAVERSALS = [
  "/../secret.txt",
  "/%2e%2e/secret.txt",
  "/..%2fsecret.txt",
  "/..%5csecret.txt",
  "/folder/../../secret.txt",
  "/folder/%2e%2e/%2e%2e/secret.txt",
  "/./.././secret.txt",
  "//../secret.txt",
  "/....//secret.txt",
  "/a.txt/../../secret.txt",
  "/%252e%252e/secret.txt",
  "/%c0%ae%c0%ae/secret.txt",
  "/secret.txt%00",
  "/etc/passwd",
  "//etc/passwd",
  "/file:///etc/passwd",
  "/out/secret.txt",
  "/out/",
  "/out",
  "/secret-link",
  "/folder/up/up/secret.txt",
  "/?path=../secret.txt",
  "http://localhost/../secret.txt",
];

Deno.test("no request makes the command ask for permission outside of the directory", async () => {
  await using tree = await tempTree({ "root/a.txt": "a", "root/folder/b.txt": "b", "secret.txt": "a secret" });
  const root = tree.at("root");
  await Deno.symlink("..", join(root, "out"));
  await Deno.symlink("../secret.txt", join(root, "secret-link"));
  await Deno.symlink("..", join(root, "folder", "up"));
  const audit = tree.at("audit.jsonl");
  await using command = await start([root], {
    ...permitted(`--allow-read=${root}`, "--allow-net=127.0.0.1"),
    env: { DENO_AUDIT_PERMISSIONS: audit },
  });
  for (const target of [...TRAVERSALS, "/a.txt", "/", "/folder/"]) {
    assert(!(await ask(command.port, "GET", target)).text.includes("a secret"), target);
  }
  await command.stop();
  const asked = await readAudit(audit);
  assert(asked.some(({ value }) => value === join(root, "a.txt")), "The audit has nothing of what was served");
  // Modules that come from JSR are asked for before there is a request.
  const requested = asked.filter(({ permission }) => permission !== "import");
  const outside = requested.filter(({ value }) => value !== root && !value.startsWith(join(root, "/")));
  assertEquals(outside.filter(({ permission }) => permission !== "net"), []);
  for (const { value } of outside) assertMatch(value, /^127\.0\.0\.1:\d+$/);
});

/** The permissions that were asked for, granted or not. */
async function readAudit(path: string): Promise<{ permission: string; value: string }[]> {
  return linesOf(await Deno.readTextFile(path)).map((line) => JSON.parse(line));
}
