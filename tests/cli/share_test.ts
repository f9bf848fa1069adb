/** `pyserve share`: links for a server that runs on the same machine. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeCertificate } from "../support/certificate.ts";
import { runCommand, start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { handZip } from "../support/zip.ts";
import { until } from "../support/wait.ts";

const USER = { U: "ann:correct horse" };

/** A server with users, and what `pyserve share` prints for the same state directory. */
async function server(...args: string[]) {
  const tree = await tempTree({
    "site/a b.txt": "a",
    "site/team/plan.txt": "plan",
    "site/.hidden/x.txt": "x",
    "outside.txt": "outside",
  });
  const state = tree.at("state");
  const running = await start([tree.at("site"), "--quiet", "--auth-env", "U", "--state", state, ...args], {
    env: USER,
  });
  const share = (...words: string[]) => runCommand(["share", "--state", state, ...words]);
  const link = async (...words: string[]) => {
    const { code, stdout, stderr } = await share(...words);
    assertEquals(code, 0, stderr);
    return stdout.trim();
  };
  return {
    ...tree,
    running,
    share,
    link,
    base: `http://127.0.0.1:${running.port}/`,
    async [Symbol.asyncDispose]() {
      await running.stop();
      await tree[Symbol.asyncDispose]();
    },
  };
}

async function status(url: string, init?: RequestInit): Promise<number> {
  const response = await fetch(url, init);
  await response.body?.cancel();
  return response.status;
}

Deno.test("pyserve share prints a link that works for everyone, and curl", async () => {
  await using site = await server();
  const { code, stdout, stderr } = await site.share(site.at("site/a b.txt"), "--for", "2h");
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^Share [\w-]{12}: read, until \d{4}-\d\d-\d\d \d\d:\d\d UTC; end it with "pyserve share --state [^ ]+ --revoke /,
  );
  assert(stdout.startsWith(`${site.base}.pyserve/share/`) && stdout.endsWith("/a%20b.txt\n"));
  const curl = new Deno.Command("curl", { args: ["--silent", "--fail", stdout.trim()] });
  assertEquals(new TextDecoder().decode((await curl.output()).stdout), "a");
  assertEquals(await status(`${site.base}a%20b.txt`), 401);
  const directory = await site.link(site.at("site/team"), "--for", "0");
  assertEquals(await (await fetch(`${directory}?format=text`)).text(), "plan.txt\n");
  assertEquals(await status(directory.replace("team/", "a%20b.txt")), 403);
  const both = await site.link(site.at("site/team"), site.at("site/a b.txt"), site.at("site/team/plan.txt"));
  assertEquals(await (await fetch(`${both}?format=text`)).text(), "team/\na b.txt\n");
  assertEquals(await (await fetch(`${await site.link(site.at("site"))}team/plan.txt`)).text(), "plan");
});

Deno.test("a server of a single file shares that file", async () => {
  await using tree = await tempTree({ "a.txt": "a", "b.txt": "b" });
  const state = tree.at("state");
  const args = [tree.at("a.txt"), "--quiet", "--auth-env", "U", "--state", state];
  await using running = await start(args, { env: USER });
  const { stdout } = await runCommand(["share", "--state", state, tree.at("a.txt")]);
  assert(stdout.endsWith("/a.txt\n"));
  assertEquals(await (await fetch(stdout.trim())).text(), "a");
  assertEquals((await runCommand(["share", "--state", state, tree.at("b.txt")])).code, 1);
  await running.stop();
});

Deno.test("links work the same with HTTP/1.0, HTTPS and HTTP/2", async () => {
  await using certificate = await tempTree();
  const { options: tls } = await makeCertificate(certificate.path);
  const doors: [args: readonly string[], curl: readonly string[]][] = [
    [[], ["--http1.1"]],
    [["-p", "HTTP/1.0"], ["--http1.0"]],
    [tls, ["--insecure", "--http1.1"]],
    [tls, ["--insecure", "--http2"]],
  ];
  for (const [args, options] of doors) {
    await using site = await server("--upload", ...args);
    const curl = async (...words: string[]) => {
      const run = new Deno.Command("curl", { args: ["--silent", "--write-out", "%{http_code}", ...options, ...words] });
      return new TextDecoder().decode((await run.output()).stdout);
    };
    const link = await site.link(site.at("site/team"));
    assertEquals(await curl(`${link}plan.txt`), "plan200", args.join(" "));
    assertEquals(await curl("--path-as-is", `${link}../a%20b.txt`, "--output", "/dev/null"), "403");
    assertEquals(await curl("--output", "/dev/null", link.replace("share/", "share/x")), "404");
    const box = await site.link(site.at("site/team"), "--upload-only");
    assertEquals(await curl("--upload-file", site.at("outside.txt"), `${box}plan.txt`), "201");
    assertEquals(await curl("--form", `file=@${site.at("outside.txt")}`, box), "201");
    assertEquals(await Deno.readTextFile(site.at("site/team/plan (1).txt")), "outside");
    assertEquals(await curl(`${box}plan.txt`, "--output", "/dev/null"), "403");
  }
});

Deno.test("pyserve share --upload and --upload-only", async () => {
  await using site = await server("--upload");
  const upload = await site.link(site.at("site/team"), "--upload");
  assertEquals(await status(`${upload}new.txt`, { method: "PUT", body: "new" }), 201);
  assertEquals(await status(`${upload}plan.txt`), 200);
  const only = await site.link(site.at("site/team"), "--upload-only");
  assertEquals(await status(`${only}other.txt`, { method: "PUT", body: "new" }), 201);
  assertEquals(await status(`${only}plan.txt`), 403);
  const file = await site.share(site.at("site/team/plan.txt"), "--upload-only");
  assertEquals([file.code, file.stderr.includes("it is not a directory")], [1, true]);
});

Deno.test("pyserve share --list, --revoke and --revoke-all", async () => {
  await using site = await server();
  const [one, other] = [await site.link(site.at("site/team")), await site.link(site.at("site/a b.txt"))];
  const { stdout } = await site.share("--list");
  const rows = stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(rows.map(([, by, rights, , paths]) => [by, rights, paths]), [["-", "read", "/team/"], [
    "-",
    "read",
    "/a b.txt",
  ]]);
  const id = rows[0]![0]!;
  assertEquals((await site.share("--revoke", id)).stdout, `Revoked the share link ${id}\n`);
  await until(async () => await status(one) === 404, "the link ends");
  assertEquals(await status(other), 200);
  assertEquals((await site.share("--revoke", id)).code, 1);
  assertEquals((await site.share("--revoke-all")).stdout, "All share links have ended\n");
  await until(async () => await status(other) === 404, "the link ends");
  assertMatch((await site.share("--list")).stderr, /^There are no share links in /);
  assertEquals(await status(await site.link(site.at("site/team"))), 200);
});

Deno.test("pyserve share says what is wrong", async (t) => {
  await using site = await server();
  await Deno.symlink("../../outside.txt", site.at("site/team/out.txt"));
  const fails = async (words: string[], code: number, sentence: RegExp) => {
    const ended = await site.share(...words);
    assertEquals([ended.code, ended.stdout], [code, ""], words.join(" "));
    assertMatch(ended.stderr, sentence);
    assertEquals(ended.stderr.trimEnd().split("\n").length, 1);
  };
  const file = site.at("site/a b.txt");
  await t.step("about the path", async () => {
    await fails([site.at("outside.txt")], 1, /outside of what is served, ".*site"$/m);
    await fails([site.at("site/team/out.txt")], 1, /outside of what is served/);
    await fails([site.at("site/none")], 1, /Cannot share ".*none": it does not exist/);
    await fails([site.at("site/.hidden")], 1, /the server hides dotfiles/);
    await fails([file, site.at("outside.txt")], 1, /Cannot share ".*outside.txt"/);
  });
  await t.step("about the options", async () => {
    await fails([], 2, /needs a PATH/);
    await fails([file, "--for", "soon"], 2, /is not a duration/);
    await fails([file, "--upload"], 1, /accepts no uploads: start it with --upload/);
    await fails([file, "--upload", "--upload-only"], 2, /contradict/);
    await fails([file, file, "--upload-only"], 2, /one directory/);
    await fails([file, "--list"], 2, /takes no path/);
    await fails(["--list", "--revoke", "x"], 2, /contradict/);
    await fails([file, "--url", "example.org"], 2, /is not a URL/);
    await fails(["--revoke", "none"], 1, /There is no share link none/);
  });
  await t.step("about the server", async () => {
    const state = site.at("other");
    const none = await runCommand(["share", "--state", state, file]);
    assertEquals(none.code, 1);
    assertMatch(none.stderr, /No server that can share uses the state directory ".*other": start one with --auth/);
    await using _open = await start([site.at("site"), "--quiet"]);
    assertEquals((await runCommand(["share", "--state", state, file])).code, 1, "a server without users");
    assert(!(await Deno.lstat(state).then(() => true, () => false)), "nothing is created");
    if (Deno.build.os === "windows") return;
    await Deno.chmod(site.at("state"), 0o777);
    await fails([file], 1, /Cannot use the state directory ".*state": other users can write to /);
    await fails(["--list"], 1, /other users can write to /);
    await Deno.chmod(site.at("state"), 0o700);
  });
});

Deno.test("the address of a proxy, a QR code, and the help", async () => {
  await using site = await server();
  const link = await site.link(site.at("site/team"), "--url", "https://files.example.org/sub?x");
  assertMatch(link, /^https:\/\/files\.example\.org\/sub\/\.pyserve\/share\/[\w.-]+\/team\/$/);
  const { stdout } = await site.share(site.at("site/team"), "--qr");
  assert(stdout.split("\n").length > 20 && stdout.includes("▀"));
  assert((await site.share("--help")).stdout.includes("pyserve ./share"));
});

Deno.test("a server that was killed is not taken for a running one, and one on a socket needs --url", async () => {
  await using site = await server();
  await site.running.stop("SIGKILL");
  assertMatch((await site.share(site.at("site/team"))).stderr, /No server that can share/);
  assertEquals([...Deno.readDirSync(site.at("state/servers"))], []);
  const args = [
    site.at("site"),
    "--quiet",
    "--auth-env",
    "U",
    "--state",
    site.at("state"),
    "-b",
    `unix:${site.at("s")}`,
  ];
  await using socket = await start(args, { env: USER });
  assertMatch((await site.share(site.at("site/team"))).stderr, /Unix socket: give the address of its proxy with --url/);
  assert((await site.link(site.at("site/team"), "--url", "http://proxy/")).startsWith("http://proxy/.pyserve/share/"));
  await socket.stop();
  assertEquals([...Deno.readDirSync(site.at("state/servers"))], [], "a server removes its note");
});

Deno.test({
  name: "workers agree on links, their end, and the list",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using site = await server("--workers", "2");
    const link = await site.link(site.at("site/team"));
    const statuses = async () => {
      const all = await Promise.all(
        Array.from({ length: 20 }, () => status(link, { headers: { connection: "close" } })),
      );
      return [...new Set(all)];
    };
    assertEquals(await statuses(), [200]);
    const headers = { authorization: `Basic ${btoa("ann:correct horse")}`, "content-type": "application/json" };
    const body = JSON.stringify({ paths: ["/team/"] });
    const made = await Promise.all(Array.from({ length: 10 }, async () => {
      const response = await fetch(`${site.base}.pyserve/shares`, { method: "POST", headers, body });
      return (await response.json()).id;
    }));
    const { stdout } = await site.share("--list");
    assertEquals(stdout.trimEnd().split("\n").length, 11);
    for (const id of made) assert(stdout.includes(id));
    await site.share("--revoke-all");
    await until(async () => (await statuses()).join() === "404", "the link ends in all workers");
  },
});

Deno.test("servers with the same state directory have their own links", async () => {
  await using tree = await tempTree({ "a/x.txt": "a", "b/x.txt": "b" });
  const state = tree.at("state");
  const started = (root: string) =>
    start([tree.at(root), "--quiet", "--auth-env", "U", "--state", state], { env: USER });
  await using a = await started("a");
  await using b = await started("b");
  const { stdout } = await runCommand(["share", "--state", state, tree.at("a/x.txt")]);
  const link = new URL(stdout.trim());
  assertEquals(await (await fetch(link)).text(), "a");
  link.port = String(b.port);
  assertEquals(await status(link.href), 404);
  await a.stop();
  await b.stop();
});

Deno.test("what is mounted can be shared, under the path at which it is served; what a mount covers cannot", async () => {
  await using more = await tempTree({
    "dist/app.js": "js",
    "demo.zip": handZip([{ name: "in.txt", data: "in the archive" }]),
  });
  await using site = await server(`/team=${more.at("dist")}`, `/x/demo=${more.at("demo.zip")}`, "--base", "/app");
  const file = await site.link(more.at("dist/app.js"));
  assertMatch(file, /\/app\/\.pyserve\/share\/[^/]+\/team\/app\.js$/);
  assertEquals(await (await fetch(file)).text(), "js");
  const archive = await site.link(more.at("demo.zip"));
  assertEquals(await (await fetch(`${archive}in.txt`)).text(), "in the archive");
  const covered = await site.share(site.at("site/team/plan.txt"));
  assertEquals(covered.code, 1);
  assertMatch(covered.stderr, /it is outside of what is served/);
  assertEquals((await site.share(site.at("site/a b.txt"))).code, 0);
});
