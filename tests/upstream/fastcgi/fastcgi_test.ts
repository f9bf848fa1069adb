/** PHP through php-fpm, with its usual configuration. */

import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import type { FastCgiAddress } from "@x/pyserve/handlers";
import { start } from "../../support/command.ts";
import { fastCgiSite } from "../../support/fastcgi_site.ts";
import { findPhpFpm, type PhpFpm, startPhpFpm } from "../../support/php_fpm.ts";
import { ask } from "../../support/raw.ts";

const ignore = findPhpFpm() === null;
// deno-lint-ignore no-console
if (ignore) console.log("skipped: php-fpm is not installed");

/** In PHP: waits for a file, but no longer than the script exists, to free the worker. */
const WAIT_FOR_GO =
  "while (!file_exists(__DIR__ . '/go') && file_exists(__FILE__)) { usleep(5000); clearstatcache(); }";

Deno.test({
  name: "PHP",
  ignore,
  async fn(t) {
    await using fpm = await startPhpFpm();
    const tcp: FastCgiAddress = { transport: "tcp", hostname: "127.0.0.1", port: fpm.port };
    const unix: FastCgiAddress = { transport: "unix", path: fpm.socket };
    await t.step("forms, over both kinds of socket", () => forms([unix, tcp]));
    await t.step("PHP's environment", () => variables(unix));
    await t.step("an upload of 20 MB", () => upload([unix, tcp]));
    await t.step("a body without a length", () => chunkedBody(unix));
    await t.step("sessions", () => sessions(unix));
    await t.step("redirects and statuses", () => redirects(unix));
    await t.step("HEAD", () => head(unix));
    await t.step("lines arrive when they are written", () => streaming(tcp));
    await t.step("30 MB of output, whole", () => longOutput(unix));
    await t.step("no spelling of a path discloses the source", () => sources(unix));
    await t.step("index.php is the index of its directory", () => indexes(unix));
    await t.step("errors of scripts are in the log", () => errorLog(unix));
    await t.step("a script that dies midway aborts the response", () => killed(unix));
    await t.step("a slow script is 504, the response of one that falls silent is aborted", () => slow(unix));
    await t.step("PHP notices that the client has disconnected", () => leaving(unix));
    await t.step("connections that are kept serve many requests", () => kept([unix, tcp]));
    await t.step("the command", () => command(fpm));
  },
});

async function forms(addresses: readonly FastCgiAddress[]) {
  for (const address of addresses) {
    await using site = await fastCgiSite({ "form.php": "<?php echo json_encode([$_GET, $_POST]);" }, { address });
    const form = new FormData();
    form.set("c", "€");
    const answers = [
      await fetch(`${site.url}/form.php?a=1&b%5B%5D=2`),
      await fetch(`${site.url}/form.php`, { method: "POST", body: new URLSearchParams({ c: "ü & =" }) }),
      await fetch(`${site.url}/form.php?a=1`, { method: "POST", body: form }),
      await fetch(`${site.url}/form.php`, { method: "POST", body: "" }),
    ];
    assertEquals(await Promise.all(answers.map((answer) => answer.json())), [
      [{ a: "1", b: ["2"] }, []],
      [[], { c: "ü & =" }],
      [{ a: "1" }, { c: "€" }],
      [[], []],
    ]);
  }
}

async function variables(address: FastCgiAddress) {
  const script = "<?php echo json_encode($_SERVER, JSON_INVALID_UTF8_SUBSTITUTE);";
  await using site = await fastCgiSite({ "dir/info.php": script }, { address, env: { STAGE: "test" } });
  const response = await fetch(`${site.url}/dir//info.php/a%20b//c?x=%41`, {
    headers: { authorization: "Basic eDp5", proxy: "http://evil", "x-long": "v".repeat(300) },
  });
  const server = await response.json();
  const expected = {
    SCRIPT_NAME: "/dir/info.php",
    SCRIPT_FILENAME: site.tree.at("dir/info.php"),
    DOCUMENT_ROOT: site.tree.path,
    PATH_INFO: "/a b//c",
    PHP_SELF: "/dir/info.php/a b//c",
    REQUEST_URI: "/dir//info.php/a%20b//c?x=%41",
    QUERY_STRING: "x=%41",
    REMOTE_ADDR: "127.0.0.1",
    SERVER_PORT: String(site.port),
    GATEWAY_INTERFACE: "CGI/1.1",
    HTTP_X_LONG: "v".repeat(300),
    STAGE: "test",
  };
  for (const [name, value] of Object.entries(expected)) assertEquals(server[name], value, name);
  for (const name of ["HTTP_AUTHORIZATION", "PHP_AUTH_USER", "HTTP_PROXY", "REMOTE_USER", "HTTPS"]) {
    assertEquals(server[name], undefined, name);
  }
  await using open = await fastCgiSite({ "i.php": script }, { address, passAuth: true });
  const told = await fetch(`${open.url}/i.php`, { headers: { authorization: "Basic eDp5" } });
  assertEquals((await told.json()).PHP_AUTH_USER, "x");
}

async function upload(addresses: readonly FastCgiAddress[]) {
  const bytes = Uint8Array.from({ length: 20_000_000 }, (_, index) => (index * 31 + (index >> 9)) & 0xff);
  const script = "<?php echo hash_file('sha256', $_FILES['f']['tmp_name']), ' ', $_FILES['f']['size'];";
  for (const address of addresses) {
    await using site = await fastCgiSite({ "upload.php": script }, { address, maxBody: 30_000_000 });
    const form = new FormData();
    form.set("f", new Blob([bytes]), "big.bin");
    const response = await fetch(`${site.url}/upload.php`, { method: "POST", body: form });
    assertEquals(await response.text(), `${createHash("sha256").update(bytes).digest("hex")} 20000000`);
  }
  await using small = await fastCgiSite({ "upload.php": script }, { address: addresses[0]!, maxBody: 1000 });
  const refused = await fetch(`${small.url}/upload.php`, { method: "POST", body: new Uint8Array(1001) });
  assertEquals(refused.status, 413);
  await refused.body?.cancel();
}

async function chunkedBody(address: FastCgiAddress) {
  const script = "<?php echo $_SERVER['CONTENT_LENGTH'], ' ', strlen(file_get_contents('php://input'));";
  await using site = await fastCgiSite({ "length.php": script }, { address });
  const body = ReadableStream.from(Array.from({ length: 40 }, () => new Uint8Array(50_000)));
  assertEquals(await (await fetch(`${site.url}/length.php`, { method: "POST", body })).text(), "2000000 2000000");
}

async function sessions(address: FastCgiAddress) {
  const script = "<?php session_start(); setcookie('other', '1'); echo $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;";
  await using site = await fastCgiSite({ "count.php": script }, { address });
  const first = await fetch(`${site.url}/count.php`);
  assertEquals(await first.text(), "1");
  const cookies = first.headers.getSetCookie();
  assertEquals(cookies.map((cookie) => cookie.split("=")[0]), ["PHPSESSID", "other"]);
  const cookie = cookies[0]!.split(";")[0]!;
  assertEquals(await (await fetch(`${site.url}/count.php`, { headers: { cookie } })).text(), "2");
}

async function redirects(address: FastCgiAddress) {
  await using site = await fastCgiSite({
    "away.php": "<?php header('Location: https://example.com/'); echo 'moved';",
    "near.php": "<?php header('Location: /target.php', true, 303);",
    "missing.php": "<?php http_response_code(404); echo 'not here, says PHP';",
    "teapot.php": "<?php header('HTTP/1.1 418 Teapot');",
    "nothing.php": "<?php http_response_code(204);",
  }, { address });
  const rows: [name: string, status: number, location: string | null, body: string][] = [
    ["away", 302, "https://example.com/", "moved"],
    ["near", 303, "/target.php", ""],
    ["missing", 404, null, "not here, says PHP"],
    ["teapot", 418, null, ""],
    ["nothing", 204, null, ""],
  ];
  for (const [name, status, location, body] of rows) {
    const response = await fetch(`${site.url}/${name}.php`, { redirect: "manual" });
    assertEquals([response.status, response.headers.get("location"), await response.text()], [status, location, body]);
  }
}

async function head(address: FastCgiAddress) {
  await using site = await fastCgiSite({ "page.php": "<?php header('X-A: 1'); echo str_repeat('x', 100000);" }, {
    address,
  });
  const { status, headers, body } = await ask(site.port, "HEAD", "/page.php");
  assertEquals([status, headers.get("x-a"), body.length], [200, "1", 0]);
}

async function streaming(address: FastCgiAddress) {
  const script = `<?php echo "first\\n"; flush(); ${WAIT_FOR_GO} echo "second\\n";`;
  await using site = await fastCgiSite({ "slow.php": script }, { address });
  const response = await fetch(`${site.url}/slow.php`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await reader.read()).value, "first\n");
  await Deno.writeTextFile(site.tree.at("go"), "");
  assertEquals((await reader.read()).value, "second\n");
  assertEquals((await reader.read()).done, true);
}

async function longOutput(address: FastCgiAddress) {
  const script = "<?php for ($i = 0; $i < 300; $i++) echo str_repeat(chr($i % 256), 100000);";
  await using site = await fastCgiSite({ "long.php": script }, { address });
  const bytes = new Uint8Array(await (await fetch(`${site.url}/long.php`)).arrayBuffer());
  assertEquals(bytes.length, 30_000_000);
  assert(bytes.every((byte, index) => byte === Math.floor(index / 100_000) % 256));
}

async function sources(address: FastCgiAddress) {
  const secret = "<?php /* the source */ echo 'ran';";
  const files = {
    ...{ "a.php": secret, "UPPER.PHP": secret, ".hidden.php": secret, "home.php": secret, "plain.txt": "plain" },
    ...{ "dir.php/x.txt": "in a directory", "sub/index.html": "html", "data.php.txt": "data" },
  };
  await using site = await fastCgiSite(files, { address }, { index: ["home.php"] });
  await Deno.symlink("a.php", site.tree.at("link.txt"));
  await Deno.symlink("plain.txt", site.tree.at("link.php"));
  const rows: [target: string, status: number, text: string | null][] = [
    ["/a.php", 200, "ran"],
    ["//a.php", 200, "ran"],
    ["/x/../%61.php", 200, "ran"],
    ["/a.php/", 200, "ran"],
    ["/a.php?source", 200, "ran"],
    ["/link.txt", 200, "ran"],
    ["/", 200, "ran"],
    ["/home.php", 200, "ran"],
    ["/.hidden.php", 404, null],
    ["/A.php", 404, null],
    ["/none.php", 404, null],
    ["/a.php%00", 400, null],
    ["/a.php%2f..", 404, null],
    ["/a.php/b%2fc", 200, "ran"],
    ["/plain.txt%2fx.php", 404, null],
    ["/plain.txt/x.php", 404, null],
    ["/plain.txt", 200, "plain"],
    ["/dir.php/x.txt", 200, "in a directory"],
    ["/data.php.txt", 200, "data"],
  ];
  for (const [target, status, text] of rows) {
    const response = await ask(site.port, "GET", target);
    assertEquals(response.status, status, target);
    if (text !== null) assertEquals(response.text, text, target);
  }
  // Files with these endings are passed to PHP (which runs only .php by default), and never sent.
  for (const target of ["/UPPER.PHP", "/link.php"]) {
    const { status, text } = await ask(site.port, "GET", target);
    assert(!text.includes("source") && !text.includes("plain"), `${target}: ${status} ${text}`);
  }
  const ranged = await ask(site.port, "GET", "/a.php", "Range: bytes=0-3");
  assertEquals([ranged.status, ranged.text], [200, "ran"]);
}

async function indexes(address: FastCgiAddress) {
  await using site = await fastCgiSite({
    "index.php": "<?php echo 'index of ', $_SERVER['SCRIPT_NAME'], ' by ', $_SERVER['REQUEST_METHOD'];",
    "index.html": "html",
    "html/index.html": "only html",
    "sub/index.php": "<?php echo 'sub';",
  }, { address });
  assertEquals(await (await fetch(`${site.url}/`)).text(), "index of /index.php by GET");
  assertEquals(await (await fetch(`${site.url}/`, { method: "POST" })).text(), "index of /index.php by POST");
  assertEquals(await (await fetch(`${site.url}/html/`)).text(), "only html");
  const slash = await ask(site.port, "GET", "/sub?x");
  assertEquals([slash.status, slash.headers.get("location")], [301, "sub/?x"]);
}

async function errorLog(address: FastCgiAddress) {
  const script = "<?php error_log('one: App\\\\Name'); error_log('two'); echo 'fine';";
  const fatal = "<?php ini_set('display_errors', '0'); undefined_function();";
  await using site = await fastCgiSite({ "log.php": script, "fatal.php": fatal }, { address });
  assertEquals(await (await fetch(`${site.url}/log.php`)).text(), "fine");
  await site.untilError("/log.php: PHP message: one: App\\Name");
  await site.untilError("two");
  const response = await fetch(`${site.url}/fatal.php`);
  assertEquals([response.status, await response.text()], [500, ""]);
  await site.untilError("undefined_function()");
}

async function killed(address: FastCgiAddress) {
  const script = (before: string) => `<?php ${before} file_put_contents(__DIR__ . '/pid', getmypid()); sleep(600);`;
  const files = { "before.php": script(""), "after.php": script("echo 'half'; flush();") };
  await using site = await fastCgiSite(files, { address });
  const killWorker = async () => {
    let pid = "";
    while (pid === "") {
      await pause().then(async () => pid = await Deno.readTextFile(site.tree.at("pid")).catch(() => ""));
    }
    await Deno.remove(site.tree.at("pid"));
    Deno.kill(Number(pid), "SIGKILL");
  };
  const before = fetch(`${site.url}/before.php`);
  await killWorker();
  const { status, body } = await before;
  assertEquals(status, 502);
  await body?.cancel();
  const after = await fetch(`${site.url}/after.php`);
  await killWorker();
  await assertRejects(() => after.text(), Error);
  await site.untilError("Cannot finish GET /after.php: The application aborted its reply");
}

async function slow(address: FastCgiAddress) {
  const files = { "silent.php": `<?php ${WAIT_FOR_GO}`, "half.php": `<?php echo 'half'; flush(); ${WAIT_FOR_GO}` };
  await using site = await fastCgiSite(files, { address, headerTimeout: 100, idleTimeout: 100 });
  const response = await fetch(`${site.url}/silent.php`);
  assertEquals(response.status, 504);
  assertStringIncludes(await response.text(), "The application did not answer in time");
  await assertRejects(async () => await (await fetch(`${site.url}/half.php`)).text(), Error);
}

async function leaving(address: FastCgiAddress) {
  const script = [
    "<?php ignore_user_abort(true);",
    "while (!connection_aborted()) { echo 'tick'; flush(); usleep(1000); }",
    "touch(__DIR__ . '/noticed');",
  ];
  await using site = await fastCgiSite({ "ticks.php": script.join("\n") }, { address });
  const reader = (await fetch(`${site.url}/ticks.php`)).body!.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value).slice(0, 4), "tick");
  await reader.cancel();
  while (!await exists(site.tree.at("noticed"))) await pause();
  assertEquals(site.errors, [], "a client may leave");
}

async function kept(addresses: readonly FastCgiAddress[]) {
  const script = "<?php echo strlen(file_get_contents('php://input'));";
  for (const address of addresses) {
    const keep = { idleConnections: 2, idleConnectionTimeout: 500 };
    await using site = await fastCgiSite({ "l.php": script }, { address, ...keep });
    const lengths = Array.from({ length: 60 }, (_, index) => index * 3_001);
    const one = async (length: number) => {
      const response = await fetch(`${site.url}/l.php`, { method: "POST", body: new Uint8Array(length) });
      return Number(await response.text());
    };
    const answers: number[] = [];
    for (let at = 0; at < lengths.length; at += 3) {
      answers.push(...await Promise.all(lengths.slice(at, at + 3).map(one)));
    }
    assertEquals(answers, lengths);
    // Idle connections end by themselves; the sanitizer verifies it.
    await new Promise((resolve) => setTimeout(resolve, 600));
  }
}

async function command(fpm: PhpFpm) {
  await using site = await fastCgiSite(
    { "index.php": "<?php error_log('by the command'); echo $_SERVER['SERVER_SOFTWARE'];" },
    { address: { transport: "unix", path: fpm.socket } },
  );
  for (const address of [`unix:${fpm.socket}`, `127.0.0.1:${fpm.port}`]) {
    await using server = await start([site.tree.path, "--fastcgi", `.php=${address}`]);
    const response = await fetch(`http://127.0.0.1:${server.port}/`);
    assertMatch(await response.text(), /^pyserve\/\d/);
    await server.untilStderr("pyserve: /index.php: PHP message: by the command");
    assertEquals(await server.stop("SIGTERM"), 0);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
