/** Several directories and archives as one site, and a site below a path, as the command serves them. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readConfig } from "../../cli/config_file.ts";
import { parse } from "../../cli/parse.ts";
import { settingsOf } from "../../cli/settings.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { runCommand, type RunningCommand, start } from "../support/command.ts";
import { noise } from "../support/bytes.ts";
import { tempTree } from "../support/tree.ts";
import { handZip } from "../support/zip.ts";

const ZIP = handZip([{ name: "index.html", data: "<h1>Demo" }, { name: "a.txt", data: "in the archive" }]);

async function ask({ port }: RunningCommand, path: string, init: RequestInit = {}): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", ...init });
  const text = await response.text();
  return [response.status, response.headers.get("location") ?? text];
}

function mountsOf(args: readonly string[], env: Record<string, string> = {}) {
  return settingsOf(parse(args, env), null, env).mounts.map(({ prefix, path }) => `${prefix} ${path}`);
}

function refused(args: readonly string[]): string {
  return assertThrows(() => settingsOf(parse(args)), UsageError).message;
}

Deno.test("words of the form /PREFIX=PATH are mounts, as --mount is; ~ is the home directory", () => {
  const given = parse([".", "/assets=../dist", "/a%20b/c/=x=y", "--mount", "/docs=docs", "8080"]);
  assertEquals([given.options.directory, given.options.port.port], [".", 8080]);
  assertEquals(mountsOf(["/assets=../dist", "/a%20b/c/=x=y", "--mount", "/docs=docs"]), [
    "/docs docs",
    "/assets ../dist",
    "/a%20b/c x=y",
  ]);
  assertEquals(mountsOf(["/docs=~/docs", "/all=~", "/x=~x"], { HOME: "/home/me" }), [
    "/docs /home/me/docs",
    "/all /home/me",
    "/x ~x",
  ]);
  assertEquals(mountsOf([], { PYSERVE_MOUNT: "/a=x\n/b=y" }), ["/a x", "/b y"]);
});

Deno.test("a prefix given twice, the root, and names that pyserve does not serve are refused in one sentence", () => {
  assertEquals(refused(["/a=x", "/a/=y"]), "Cannot mount two directories at /a");
  assertEquals(refused(["/a=x", "/%61=y"]), "Cannot mount two directories at /a");
  assertStringIncludes(refused(["/=x"]), "it must be below the root");
  assertStringIncludes(refused(["--mount", "docs=x"]), "it is not of the form /PREFIX=PATH");
  assertStringIncludes(refused(["/docs="]), "it is not of the form /PREFIX=PATH");
  assertStringIncludes(refused(["/api=http://localhost:3000"]), "use --proxy");
  assertStringIncludes(refused(["/a%2fb=x"]), "is not a path of the site");
  assertStringIncludes(refused(["/.git=x"]), "dotfiles are not served; add --hidden");
  assertStringIncludes(refused(["--hidden", "/.pyserve/x=x"]), "pyserve itself answers there");
  assertStringIncludes(refused(["--base", "/"]), "it must be below the root");
  assertStringIncludes(refused(["--base", "app"]), "is not a path of the site");
});

Deno.test("a configuration file that is merely found mounts nothing from elsewhere, and no dotfiles", async () => {
  await using tree = await tempTree({ "site/docs/a.txt": "a", "site/.git/config": "c", "other/b.txt": "b" });
  const before = Deno.cwd();
  const read = async (mount: string) => {
    await Deno.writeTextFile(tree.at("site/pyserve.json"), JSON.stringify({ mount: [mount] }));
    const { code, stderr, stdout } = await runCommand(["config"], { cwd: tree.at("site") });
    return code === 0 ? stdout : stderr;
  };
  assertStringIncludes(await read("/docs=docs"), "/docs=docs");
  for (const mount of ["/x=../other", "/x=.git", "/x=~", "/x=~/docs", `/x=${tree.at("other")}`]) {
    assertStringIncludes(await read(mount), "is only accepted from a file that is named");
  }
  assertEquals(Deno.cwd(), before);
  await Deno.writeTextFile(tree.at("named.json"), '{"mount": ["/x=other", "/h=~/docs"], "directory": "site.zip/"}');
  const { options } = parse([], {}, () => readConfig(tree.at("named.json")));
  assertEquals(options.mount.map(({ path }) => path), [tree.at("other"), "~/docs"]);
  assertEquals(options.directory, `${tree.at("site.zip")}/`);
});

Deno.test("mounts appear in listings and searches, and take no uploads; the root does", async () => {
  await using tree = await tempTree({
    "site/a.txt": "a",
    "dist/app.js": "js",
    "dist/.secret": "no",
    "demo.zip": ZIP,
  });
  const args = [tree.at("site"), `/assets=${tree.at("dist")}`, `/x/demo=${tree.at("demo.zip")}`, "--upload"];
  await using command = await start(args);
  assertEquals(await ask(command, "/?format=text"), [200, "assets/\nx/\na.txt\n"]);
  assertEquals(await ask(command, "/assets/app.js"), [200, "js"]);
  assertEquals((await ask(command, "/assets/.secret"))[0], 404);
  assertEquals(await ask(command, "/x/demo/"), [200, "<h1>Demo"]);
  assertEquals(await ask(command, "/x/demo/a.txt"), [200, "in the archive"]);
  assertEquals(await ask(command, "/?q=a.txt&format=text"), [200, "a.txt\nx/demo/a.txt\n"]);
  const put = { method: "PUT", body: "new" };
  assertEquals((await ask(command, "/new.txt", put))[0], 201);
  assertEquals((await ask(command, "/assets/new.txt", put))[0], 403);
  assertEquals((await ask(command, "/x/demo/new.txt", put))[0], 403);
  assertEquals(await Deno.readTextFile(tree.at("site/new.txt")), "new");
});

Deno.test("a mount with options lists the mounts below it, which answer for themselves", async () => {
  await using tree = await tempTree({ "site/x.txt": "x", "own/a.txt": "a", "below/b.txt": "b", "deep/c.txt": "c" });
  const own = JSON.stringify({ directory: tree.at("own"), cache: "60" });
  const deep = JSON.stringify({ directory: tree.at("deep"), "no-listing": true });
  const mounts = [
    `/own=${own}`,
    `/own/below=${tree.at("below")}`,
    `/own/way/deep=${deep}`,
    `/own-other=${tree.at("below")}`,
  ];
  await using command = await start([tree.at("site"), ...mounts]);
  assertEquals(await ask(command, "/own/?format=text"), [200, "below/\nway/\na.txt\n"]);
  assertEquals(await ask(command, "/own/way/?format=text"), [200, "deep/\n"]);
  assertEquals(await ask(command, "/own/below/?format=text"), [200, "b.txt\n"]);
  assertEquals((await ask(command, "/own/way/deep/"))[0], 404);
  assertEquals(await ask(command, "/own/way/deep/c.txt"), [200, "c"]);
  assertEquals(await ask(command, "/own/?q=txt&format=text"), [200, "a.txt\n"]);
  assertEquals(await ask(command, "/?format=text"), [200, "own/\nown-other/\nx.txt\n"]);
});

Deno.test("pages of an archive that clients can replace run in a sandbox", async () => {
  await using tree = await tempTree({ "site/demo.zip": ZIP, "other.zip": ZIP });
  const mounts = [`/in=${tree.at("site/demo.zip")}`, `/out=${tree.at("other.zip")}`];
  await using command = await start([tree.at("site"), ...mounts, "--all"]);
  const policy = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${command.port}${path}`);
    await response.body?.cancel();
    return [response.status, response.headers.get("content-security-policy")?.startsWith("sandbox") ?? false];
  };
  assertEquals(await policy("/in/"), [200, true]);
  assertEquals(await policy("/out/"), [200, false]);
});

Deno.test("with a trailing slash, an archive is served as a directory; without, as a file", async () => {
  await using tree = await tempTree({ "site.zip": ZIP });
  await using directory = await start([`${tree.at("site.zip")}/`]);
  assertEquals(await ask(directory, "/"), [200, "<h1>Demo"]);
  assertEquals(await ask(directory, "/a.txt"), [200, "in the archive"]);
  await using file = await start([tree.at("site.zip")]);
  assertEquals((await ask(file, "/a.txt"))[0], 404);
  assertEquals((await ask(file, "/site.zip"))[0], 200);
});

Deno.test("large stored files are sent exactly, whole and in ranges, though other files follow them in the archive", async () => {
  const large = noise(1_000_000);
  const archive = handZip([{ name: "large.bin", data: large }, { name: "next.bin", data: noise(900_000) }]);
  await using tree = await tempTree({ "site.zip": archive });
  await using command = await start([`${tree.at("site.zip")}/`]);
  for (let i = 0; i < 3; i++) { // from the second time on, as a native stream
    for (const [from, to] of [[0, large.length], [0, 200_000], [500_000, 800_000], [999_000, 1_000_000]] as const) {
      const headers: HeadersInit = to - from === large.length ? {} : { range: `bytes=${from}-${to - 1}` };
      const response = await fetch(`http://127.0.0.1:${command.port}/large.bin`, { headers });
      assertEquals(await response.bytes(), large.slice(from, to));
    }
  }
});

Deno.test({
  name: "workers serve mounts, too",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "a", "demo.zip": ZIP, "dist/b.txt": "b" });
    const args = [tree.at("site"), `/d=${tree.at("demo.zip")}`, `/b=${tree.at("dist")}`, "--workers", "2"];
    await using command = await start(args);
    for (let i = 0; i < 4; i++) {
      assertEquals(await ask(command, "/d/a.txt"), [200, "in the archive"]);
      assertEquals(await ask(command, "/b/b.txt"), [200, "b"]);
    }
  },
});

Deno.test("rules of --access apply to mounts; a state directory in one is refused", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "dist/b.txt": "b", "state/": "" });
  const mount = `/b=${tree.at("dist")}`;
  const env = { USERS: "me:secret of mine" };
  const users = ["--auth-env", "USERS", "--state", tree.at("state")];
  await using command = await start(
    [
      tree.at("site"),
      mount,
      ...users,
      "--access",
      "anyone:read",
      "--access",
      "anyone:none@/b",
      "--access",
      "me:read@/b",
    ],
    { env },
  );
  assertEquals((await ask(command, "/a.txt"))[0], 200);
  assertEquals((await ask(command, "/b/b.txt"))[0], 401);
  const authorization = `Basic ${btoa(env.USERS)}`;
  assertEquals(await ask(command, "/b/b.txt", { headers: { authorization } }), [200, "b"]);
  assert(!command.stdout().includes("does not exist"), command.stdout());
  const served = await runCommand([tree.at("site"), mount, "--auth-env", "USERS", "--state", tree.at("dist/state")], {
    env,
  });
  assertEquals(
    [served.code, served.stderr.includes("clients could read them")],
    [1, true],
    served.stderr,
  );
});

Deno.test("what cannot be mounted ends the command with a sentence and status 1", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "demo.zip": ZIP, "y=2024/": "" });
  const failure = async (...args: string[]) => {
    const { code, stderr } = await runCommand([...args, "-b", "127.0.0.1", "-p", "0"], { cwd: tree.path });
    assertEquals([code, stderr.split("\n").length], [1, 2], stderr);
    return stderr.replaceAll(tree.path, "").trimEnd();
  };
  assertEquals(await failure("site", "/x=nowhere"), 'pyserve: Cannot mount "nowhere" at /x: it does not exist');
  assertEquals(
    await failure("site", "/x=site/a.txt"),
    'pyserve: Cannot mount "site/a.txt" at /x: it is not a ZIP archive',
  );
  assertEquals(await failure("site/a.txt/"), 'pyserve: Cannot serve "site/a.txt": it is not a ZIP archive');
  assertStringIncludes(await failure("site/a.txt", "/x=site"), "beside the single file");
  assertStringIncludes(await failure("demo.zip/", "--all"), "is an archive; serve a directory instead");
  assertStringIncludes(await failure(tree.at("y=2024")), 'to serve "/y=2024", use --directory');
});

Deno.test("--base: everything is below the path, and only there; the root redirects to it", async () => {
  await using tree = await tempTree({ "site/docs/a.txt": "a" });
  await using command = await start([tree.at("site"), "--base", "/app/", "--all", "-H", "X-Own", "1"]);
  assertStringIncludes(command.stdout(), "/app/) ...");
  assertEquals(await ask(command, "/"), [302, "./app/"]);
  assertEquals((await ask(command, "/docs/a.txt"))[0], 404);
  assertEquals((await ask(command, "/app-old"))[0], 404);
  assertEquals((await ask(command, "/new.txt", { method: "PUT", body: "new" }))[0] >= 400, true);
  assertEquals(await ask(command, "/app"), [301, "app/"]);
  assertEquals(await ask(command, "/app/docs"), [301, "docs/"]);
  assertEquals(await ask(command, "/app/docs/a.txt"), [200, "a"]);
  assertEquals(await ask(command, "/app/new.txt", { method: "PUT", body: "new" }), [201, "new.txt"]);
  const missing = await fetch(`http://127.0.0.1:${command.port}/x`);
  assertEquals([missing.status, missing.headers.get("x-own")], [404, "1"]);
  await missing.body?.cancel();
  await command.untilStderr('"GET /x HTTP/1.1" 404');
});
