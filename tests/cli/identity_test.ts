/** Users at the command: options, errors at the start, and every engine. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { hashPassword } from "../../handlers/identity/password.ts";
import { runCommand, start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

/** A request; returns the status and the headers. */
async function ask(port: number, method: string, path: string, headers: HeadersInit = {}, body?: BodyInit) {
  const init = { method, headers, redirect: "manual", ...(body !== undefined && { body }) } as const;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  await response.body?.cancel();
  return { status: response.status, headers: response.headers };
}

const ANN = `Basic ${btoa("ann:correct horse")}`;

async function site() {
  const hash = await hashPassword("correct horse");
  const tree = await tempTree({
    "site/a.txt": "hello",
    "site/pub/b.txt": "public",
    "users": `ann:${hash}\n`,
    "state/": "",
  });
  await Deno.chmod(tree.at("users"), 0o600);
  await Deno.chmod(tree.at("state"), 0o700);
  return Object.assign(tree, { args: [tree.at("site"), "--auth", tree.at("users"), "--state", tree.at("state")] });
}

for (const engine of [[], ["-p", "HTTP/1.0"], ...Deno.build.os === "linux" ? [["--workers", "2"]] : []]) {
  Deno.test(`only users may read and upload: ${engine.join(" ") || "default engine"}`, async () => {
    await using tree = await site();
    await using server = await start([
      ...tree.args,
      "--upload",
      "--access",
      "anyone:read@/pub",
      "--access",
      "users:all",
      ...engine,
    ]);
    const status = async (...request: [method: string, path: string, headers?: HeadersInit, body?: string]) =>
      (await ask(server.port, ...request)).status;
    assertEquals(await status("GET", "/a.txt"), 401);
    assertEquals(await status("GET", "/pub/b.txt"), 200);
    assertEquals(await status("GET", "/a.txt", { authorization: ANN }), 200);
    assertEquals(await status("PUT", "/new.txt", {}, "new"), 401);
    assertEquals(await status("PUT", "/new.txt", { authorization: ANN }, "new"), 201);
    assertEquals(await status("GET", "/a.txt", { authorization: `Basic ${btoa("ann:wrong")}` }), 401);
  });
}

Deno.test("a session survives a restart, and logging out holds after it", async () => {
  await using tree = await site();
  let cookie = "";
  const get = async (port: number) => (await ask(port, "GET", "/a.txt", { cookie })).status;
  const post = (port: number, path: string, body?: BodyInit) => ask(port, "POST", path, { cookie }, body);
  {
    await using server = await start(tree.args);
    const form = new URLSearchParams({ username: "ann", password: "correct horse", to: "/" });
    const { status, headers } = await post(server.port, "/.pyserve/login", form);
    assertEquals(status, 303);
    cookie = /^pyserve-\d+=[^;]+/.exec(headers.get("set-cookie")!)![0];
    assertEquals(await get(server.port), 200);
  }
  await using server = await start(tree.args);
  cookie = cookie.replace(/-\d+/, `-${server.port}`);
  assertEquals(await get(server.port), 200);
  assertEquals((await post(server.port, "/.pyserve/logout")).status, 303);
  assertEquals(await get(server.port), 401);
});

Deno.test("with users, a server that accepts uploads listens on the network, and says what that means", async () => {
  await using tree = await site();
  await using server = await start([...tree.args, "--upload", "-b", "0.0.0.0"]);
  assertMatch(server.stdout(), /passwords cross the network unencrypted/);
});

Deno.test("one user from the environment", async () => {
  await using tree = await site();
  const env = { LOGIN: "ann:correct horse", HOME: tree.path, XDG_STATE_HOME: "" };
  await using server = await start([tree.at("site"), "--auth-env", "LOGIN"], { env });
  assertEquals((await ask(server.port, "GET", "/a.txt", { authorization: ANN })).status, 200);
  assertEquals((await ask(server.port, "GET", "/a.txt")).status, 401);
  assert(Deno.statSync(`${tree.path}/.local/state/pyserve/key`).isFile);
});

Deno.test("rules that grant nothing are told at the start, one line each", async () => {
  await using tree = await site();
  const access = (...rules: string[]) => rules.flatMap((rule) => ["--access", rule]);
  const rules = access("zoe:read", "ann:upload,run@/pub", "ann:all@/no%20ne", "anyone:none@/pub/b.txt");
  await using server = await start([...tree.args, ...rules]);
  const told = server.stdout().split("\n").filter((line) => line.startsWith("  --access")).map((line) => line.trim());
  assertEquals(told, [
    '--access names "zoe", who is not among the users',
    '--access grants "upload", which nothing enables: that takes --upload',
    '--access grants "run", which nothing enables: that takes --cgi, --fastcgi or --proxy',
    "--access names /no ne, which does not exist",
  ]);
  await using quiet = await start([...tree.args, "--upload", ...access("ann:all", "ann:read,upload@/pub")]);
  assert(!quiet.stdout().includes("--access"));
  await using programs = await start([...tree.args, "--cgi", ...access("ann:run@/git/team.git")]);
  assert(!programs.stdout().includes("--access"), "a path of a mount, or PATH_INFO");
});

Deno.test("a user file without users is told of at the start", async () => {
  await using tree = await site();
  await Deno.writeTextFile(tree.at("users"), "# none yet\n");
  await using server = await start(tree.args);
  await server.untilStderr("has no users: add one with");
});

Deno.test("what cannot work is said at the start, in one sentence", async () => {
  await using tree = await site();
  await Deno.writeTextFile(tree.at("bad"), "ann:$9$x\n");
  await Deno.copyFile(tree.at("users"), tree.at("site/users"));
  await Deno.writeTextFile(tree.at("file"), "");
  const rows: [args: string[], code: number, sentence: RegExp][] = [
    [
      ["--auth", tree.at("none")],
      1,
      /^pyserve: Cannot use --auth ".*none": it does not exist; make it with: pyserve passwd .*none NAME\n$/,
    ],
    [["--auth", tree.at("users"), "--auth", tree.at("users")], 2, /--auth can be given only once.*--help users/],
    [["--auth", tree.at("bad")], 1, /line 1/],
    [["--auth", tree.at("site/users")], 1, /it is in the directory that is served/],
    [["--auth-env", "NO_SUCH_VARIABLE"], 2, /there is no environment variable NO_SUCH_VARIABLE.*--help users/],
    [["--public"], 2, /--public needs --auth.*--help users/],
    [["--access", "ann:read"], 2, /--access needs --auth/],
    [["--auth", tree.at("users"), "--access", "ann:write"], 2, /"write" is not a right.*--help users/],
    [
      ["--auth", tree.at("users"), "--state", tree.at("file")],
      1,
      /Cannot use --state .*: a file of this name exists\n/,
    ],
    [["--auth", tree.at("users"), "--auth-env", "X"], 2, /--auth/],
  ];
  for (const [args, code, sentence] of rows) {
    const ended = await runCommand([tree.at("site"), "-b", "127.0.0.1", "0", ...args]);
    assertEquals([ended.code, ended.stdout], [code, ""], `${args.join(" ")}: ${ended.stderr}`);
    assertMatch(ended.stderr, sentence);
    assertEquals(ended.stderr.trim().split("\n").length, 1);
  }
});
