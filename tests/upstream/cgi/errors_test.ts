/** Failures of programs: each has its status, a sentence, and, for local clients, the reason. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ask, raw } from "../../support/raw.ts";
import { runCommand } from "../../support/command.ts";
import { CLI } from "../../support/paths.ts";
import { cgi, disk, toFetch } from "../../../mod.ts";
import { tempTree } from "../../support/tree.ts";
import { cgiSite } from "./support.ts";
import { isRunning, until } from "../../support/wait.ts";

const ignore = Deno.build.os === "windows";

function sh(script: string): string {
  return `#!/bin/sh\n${script}\n`;
}

/** Prints a header, and bytes as they stand in printf's notation. */
function prints(text: string): string {
  return sh(`printf '${text}'`);
}

interface Case {
  readonly name: string;
  readonly script: string;
  readonly status: number;
  /** Part of the error message. */
  readonly says: string;
}

const CASES: readonly Case[] = [
  { name: "no-interpreter", script: "#!/no/such/interpreter\n", status: 500, says: "/no/such/interpreter" },
  { name: "crlf", script: "#!/bin/sh\r\necho\r\n", status: 500, says: "CR" },
  { name: "bom", script: "\ufeff#!/bin/sh\necho\n", status: 500, says: "byte order mark" },
  { name: "text", script: "just some words\n", status: 500, says: "#!" },
  { name: "junk", script: "\x01\x02\x03\x04junk", status: 500, says: "#!" },
  { name: "silent", script: sh("exit 0"), status: 502, says: "without any output" },
  { name: "crash", script: sh("echo the reason >&2; exit 3"), status: 502, says: "without any output" },
  { name: "killed", script: sh("kill -9 $$"), status: 502, says: "SIGKILL" },
  { name: "garbage", script: prints("hello world\\n\\nbody"), status: 502, says: "without a colon" },
  { name: "cut", script: prints("Content-Type: text/plain\\nX-Cut: of"), status: 502, says: "middle of its header" },
  { name: "no-header", script: prints("\\nbody"), status: 502, says: "no header" },
  { name: "huge", script: sh("head -c 2000000 /dev/zero | tr '\\0' a"), status: 502, says: "65536 bytes of header" },
  { name: "status", script: prints("Status: 99\\n\\n"), status: 502, says: "status outside of" },
  { name: "status-word", script: prints("Status: abc\\n\\n"), status: 502, says: "status outside of" },
  { name: "switching", script: prints("Status: 101\\n\\n"), status: 502, says: "status outside of" },
  {
    name: "lengths",
    script: prints("Content-Length: 1\\nContent-Length: 2\\n\\nab"),
    status: 502,
    says: "two different content-length",
  },
  { name: "coding", script: prints("Transfer-Encoding: chunked\\n\\n0\\n"), status: 502, says: "Transfer-Encoding" },
  { name: "bare-cr", script: prints("X-A: b\\rSet-Cookie: c\\n\\n"), status: 502, says: "control character" },
  { name: "control", script: prints("X-A: b\\001\\n\\n"), status: 502, says: "control character" },
  { name: "lines", script: sh("yes 'X-A: b' | head -n 10000; echo"), status: 502, says: "65536 bytes of header" },
];

Deno.test({
  name: "every failure has its status and its message",
  ignore,
  async fn(t) {
    const files = Object.fromEntries(CASES.map(({ name, script }) => [`cgi-bin/${name}`, script]));
    await using site = await cgiSite(files);
    for (const { name, status, says } of CASES) {
      await t.step(name, async () => {
        await Deno.chmod(site.tree.at(`cgi-bin/${name}`), 0o755);
        const response = await ask(site.port, "GET", `/cgi-bin/${name}`);
        assertEquals(response.status, status, response.text);
        assertStringIncludes(response.text, says);
        assertEquals(response.text.includes(site.tree.path), false, "no path of the machine is told");
      });
    }
  },
});

Deno.test({
  name: "a program that is absent, not executable or a directory is never sent as content",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/run.sh": prints("Content-Type: text/plain\\n\\nran"),
      "cgi-bin/plain.sh": "echo SECRET SOURCE",
      "cgi-bin/data.txt": "SECRET DATA",
      "cgi-bin/sub/inner.sh": sh("printf 'Content-Type: text/plain\\n\\ninner'"),
    });
    const outside = await Deno.makeTempFile();
    await Deno.writeTextFile(outside, sh("echo; echo outside"), { mode: 0o755 });
    await Deno.chmod(outside, 0o755);
    await Deno.symlink(outside, site.tree.at("cgi-bin/leads-out"));
    await Deno.symlink(site.tree.at("cgi-bin/plain.sh"), site.tree.at("leads-in.txt"));
    const answers: Record<string, number> = {
      "/cgi-bin/absent": 404,
      "/cgi-bin/plain.sh": 403,
      "/cgi-bin/data.txt": 403,
      "/cgi-bin/": 403,
      "/cgi-bin/sub/": 403,
      "/cgi-bin/leads-out": 404,
      "/leads-in.txt": 403,
      "/cgi-bin/run.sh": 200,
      "/cgi-bin/sub/inner.sh": 200,
      "//cgi-bin//plain.sh": 403,
      "/./cgi-bin/plain.sh": 403,
      "/x/../cgi-bin/plain.sh": 403,
      "/%63gi-bin/plain%2esh": 403,
      "/cgi-bin/plain.sh/": 403,
      "/cgi-bin/plain.sh/extra": 403,
      "/cgi-bin%2fplain.sh": 404,
      "/cgi-bin/plain.sh%20": 404,
      "/cgi-bin/plain.sh%00": 400,
      "/CGI-BIN/plain.sh": 404,
    };
    for (const [target, status] of Object.entries(answers)) {
      const response = await ask(site.port, "GET", target);
      assertEquals([target, response.status], [target, status]);
      assertEquals(/SECRET/.test(response.text), false, target);
    }
    await Deno.remove(outside);
  },
});

Deno.test({
  name: "a local client sees why a program failed, others only with --cgi-debug",
  ignore,
  async fn() {
    const files = { "cgi-bin/crash": sh("echo half; echo the reason >&2; exit 3") };
    await using site = await cgiSite(files);
    const response = await ask(site.port, "GET", "/cgi-bin/crash", "Accept: text/html");
    assertEquals(response.status, 502);
    for (const part of ["exit status 3", "the reason", "half", "<pre>"]) assertStringIncludes(response.text, part);
    await site.command.untilStderr("/cgi-bin/crash: the reason");
  },
});

Deno.test({
  name: "a body that is too long is refused before the program starts, chunked or not",
  ignore,
  async fn() {
    await using site = await cgiSite(
      { "cgi-bin/touch.sh": sh("touch started; printf 'Content-Type: text/plain\\n\\nran'") },
      ["--cgi", "--max-body", "1K"],
    );
    const long = "x".repeat(2000);
    const announced = await raw(
      site.port,
      `POST /cgi-bin/touch.sh HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n${long}`,
    );
    assertEquals(announced.status, 413);
    const chunked = await raw(
      site.port,
      `POST /cgi-bin/touch.sh HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${long}\r\n0\r\n\r\n`,
    );
    assertEquals(chunked.status, 413);
    assertEquals(await Deno.stat(site.tree.at("cgi-bin/started")).then(() => true, () => false), false);
  },
});

Deno.test({
  name: "a program without a timely response is 504 and killed; the response of one that falls silent is aborted",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/slow.sh": sh("echo $$ > slow.pid; sleep 600"),
      "cgi-bin/stuck.sh": sh("echo $$ > stuck.pid; printf 'Content-Type: text/plain\\n\\nhalf'; sleep 600"),
    }, ["--cgi", "--cgi-timeout=0.3", "--cgi-idle=0.3"]);
    assertEquals((await ask(site.port, "GET", "/cgi-bin/slow.sh")).status, 504);
    const stuck = await ask(site.port, "GET", "/cgi-bin/stuck.sh");
    assertEquals([stuck.status, stuck.text, stuck.complete], [200, "half", false]);
    for (const name of ["slow", "stuck"]) {
      const pid = Number(await Deno.readTextFile(site.tree.at(`cgi-bin/${name}.pid`)));
      await until(() => !isRunning(pid), `${name} is gone`);
    }
    await site.command.untilStderr("stuck.sh: The program has stopped sending output");
  },
});

Deno.test({
  name: "if all slots are taken, a request waits for one",
  ignore,
  async fn() {
    await using site = await cgiSite(
      { "cgi-bin/wait.sh": sh("while [ ! -e go ]; do sleep 0.02; done; printf 'Content-Type: text/plain\\n\\nok'") },
      ["--cgi", "--cgi-max=1"],
    );
    const first = fetch(`${site.base}/cgi-bin/wait.sh`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = fetch(`${site.base}/cgi-bin/wait.sh`);
    await Deno.writeTextFile(site.tree.at("cgi-bin/go"), "");
    assertEquals(await Promise.all([first, second].map(async (response) => (await response).text())), ["ok", "ok"]);
  },
});

Deno.test({
  name: "a program that is being written is 503",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using site = await cgiSite({ "cgi-bin/busy": "" });
    await Deno.copyFile("/bin/true", site.tree.at("cgi-bin/busy"));
    await Deno.chmod(site.tree.at("cgi-bin/busy"), 0o755);
    using _file = await Deno.open(site.tree.at("cgi-bin/busy"), { write: true });
    const response = await ask(site.port, "GET", "/cgi-bin/busy");
    assertEquals(response.status, 503, response.text);
    assert(response.headers.get("retry-after"));
  },
});

Deno.test({
  name: "a program that --allow-run does not list does not run, and the log names the flag once",
  ignore,
  async fn() {
    const { start } = await import("../../support/command.ts");
    await using site = await cgiSite({ "cgi-bin/a.sh": prints("\\n"), "cgi-bin/b.sh": prints("\\n") });
    const listed = `--allow-run=${site.tree.at("cgi-bin/b.sh")}`;
    const run = ["--no-prompt", "--allow-read", "--allow-env", "--allow-net=127.0.0.1", listed, CLI];
    await using command = await start([site.tree.path, "--cgi"], { run });
    assertEquals((await ask(command.port, "GET", "/cgi-bin/a.sh")).status, 500);
    await command.stop();
    assertEquals(command.stderr().match(/--allow-run/g)?.length, 1, command.stderr());
  },
});

const USAGE: readonly (readonly [args: string[], says: string])[] = [
  [["--cgi=bin"], "must begin with a slash"],
  [["--cgi-map", "php=x"], "of the form .EXT=PROGRAM"],
  [["--cgi-map", ".ph/p=x"], "of the form .EXT=PROGRAM"],
  [["--cgi-map", ".php="], "of the form .EXT=PROGRAM"],
  [["--cgi-map", ".php=  "], "of the form .EXT=PROGRAM"],
  [["--cgi-map", ".php=''"], "of the form .EXT=PROGRAM"],
  [["--cgi-map", ".php='/usr/bin/php-cgi"], "of the form .EXT=PROGRAM"],
  [["--cgi-mount", "/git"], "of the form /PATH=PROGRAM"],
  [["--cgi-mount", "git=/bin/true"], "of the form /PATH=PROGRAM"],
  [["--cgi-mount", "/g%zz=/bin/true"], "of the form /PATH=PROGRAM"],
  [["--cgi=/a%00"], "not a valid path"],
  [["--cgi=/a%2Fb"], "not a valid path"],
  [["--cgi=/../x"], "not a valid path"],
  [["--cgi=/a,,/b"], "must begin with a slash"],
  [["--cgi-ext", ".cgi,"], "list of extensions"],
  [["--cgi", "--cgi-index", "a/b"], "not a file name"],
  [["--cgi", "--cgi-env", "=x"], "not a variable name"],
  [["--cgi", "--cgi-user", ""], "it is empty"],
  [["--cgi", "--cgi-timeout", "-1"], "not a number of seconds"],
  [["--cgi", "--cgi-idle", "1e9"], "not a number of seconds"],
  [["--cgi", "--cgi-linger", "2000000"], "not a number of seconds"],
  [["--cgi", "--cgi-pass-auth=yes"], "takes no value"],
  [["--cgi-ext", "cgi"], "list of extensions"],
  [["--cgi", "--cgi-timeout", "soon"], "number of seconds"],
  [["--cgi", "--cgi-max", "0"], "number from 1"],
  [["--cgi-linger", "3"], "needs --cgi or --cgi-ext or --cgi-map or --cgi-mount"],
  [["--cgi", "--max-body", "much"], "not a size"],
];

for (const [args, says] of USAGE) {
  Deno.test(`${args.join(" ")} cannot be used: ${says}`, async () => {
    const ended = await runCommand(args);
    assertEquals([ended.code, ended.stdout], [2, ""]);
    assertStringIncludes(ended.stderr, says);
  });
}

const REFUSED: readonly (readonly [args: string[], says: string])[] = [
  [["--cgi-map", ".php=no-such-program-at-all"], 'Cannot run "no-such-program-at-all": it does not exist'],
  [["--cgi-mount", "/x=/etc/passwd"], 'Cannot run "/etc/passwd": it does not exist or is not executable'],
  [["--cgi-mount", "/x=/"], 'Cannot run "/": it does not exist or is not executable'],
  [["--cgi", "--cgi-user", "no-such-user"], 'Cannot run programs as "no-such-user": '],
  [["--cgi", "--cgi-user=-G"], 'Cannot run programs as "-G": '],
  [["--cgi", "--cgi-user", "99999999999:1"], 'Cannot run programs as "99999999999:1": '],
];

for (const [args, says] of REFUSED) {
  Deno.test({
    name: `${args.join(" ")} is refused at start: ${says}`,
    ignore,
    async fn() {
      const ended = await runCommand(args);
      assertEquals([ended.code, ended.stdout, ended.stderr.split("\n").length], [1, "", 2], ended.stderr);
      assertStringIncludes(ended.stderr, `pyserve: ${says}`);
    },
  });
}

Deno.test({
  name: "the words of a program's option are its arguments; quotes preserve spaces",
  ignore,
  async fn() {
    const show = `#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; for word in "$@"; do echo "<$word>"; done\n`;
    await using site = await cgiSite(
      { "bin/my show": show, "page.ts": "" },
      (tree) => ["--cgi-map", `.ts='${tree.at("bin/my show")}' run -A --x="a b" "" 'c"d'`],
    );
    const { text } = await ask(site.port, "GET", "/page.ts");
    assertEquals(text, `<run>\n<-A>\n<--x=a b>\n<>\n<c"d>\n<${site.tree.at("page.ts")}>\n`);
  },
});

Deno.test({
  name: "an interpreter is part of the configuration: a missing one is a server error",
  ignore,
  async fn() {
    await using site = await cgiSite(
      { "bin/interpreter": sh("exit 1"), "a.x": "" },
      (tree) => ["--cgi-map", `.x=${tree.at("bin/interpreter")}`, "--cgi-mount", `/m=${tree.at("bin/interpreter")}`],
    );
    await Deno.remove(site.tree.at("bin/interpreter"));
    for (const path of ["/a.x", "/m/y"]) {
      const response = await ask(site.port, "GET", path);
      assertEquals([response.status, response.text.includes("interpreter")], [500, false]);
    }
    assertEquals((await ask(site.port, "GET", "/absent.x")).status, 404);
    await site.command.untilStderr("Cannot answer GET /m/y: HttpError: No such CGI program");
  },
});

Deno.test({
  name: "a client of a local proxy is not a local client",
  ignore,
  async fn() {
    await using site = await cgiSite({ "cgi-bin/crash": sh("echo the reason >&2; exit 3") });
    for (const header of ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 x", "X-Real-IP: ::1"]) {
      const response = await ask(site.port, "GET", "/cgi-bin/crash", header);
      assertEquals([response.status, response.text.includes("the reason")], [502, false], header);
    }
    assertStringIncludes((await ask(site.port, "GET", "/cgi-bin/crash")).text, "the reason");
  },
});

Deno.test({
  name: "an event is a line of the log, escaped once, and a client's disconnect is not an error",
  ignore,
  async fn() {
    const files = {
      "cgi-bin/says": sh("printf 'a\\tb\\033[31m\\\\c\\rd\\n' >&2; printf 'Content-Type: text/plain\\n\\nok'"),
      "cgi-bin/crash": sh("exit 3"),
      "cgi-bin/fails": sh("printf 'Content-Type: text/plain\\n\\nhalf'; exit 3"),
      "cgi-bin/dies": sh("printf 'Content-Type: text/plain\\n\\nhalf'; kill -9 $$"),
      "cgi-bin/silent": sh("sleep 600"),
      "cgi-bin/half": sh("printf 'Content-Type: text/plain\\n\\nhalf'; sleep 600"),
    };
    await using site = await cgiSite(files, ["--cgi", "--cgi-max=3"]); // of which one client gets two
    assertEquals((await ask(site.port, "GET", "/cgi-bin/says")).text, "ok");
    assertEquals((await ask(site.port, "GET", "/cgi-bin/crash")).status, 502);
    assertEquals((await ask(site.port, "GET", "/cgi-bin/fails")).status, 200);
    assertEquals((await ask(site.port, "GET", "/cgi-bin/dies")).complete, false);
    await site.command.untilStderr("pyserve: /cgi-bin/says: a\\x09b\\x1b[31m\\\\c\\x0dd\n");
    const clients = [];
    for (const path of ["silent", "half", "silent?queued"]) {
      clients.push(await Deno.connect({ hostname: "127.0.0.1", port: site.port }));
      await clients.at(-1)!.write(new TextEncoder().encode(`GET /cgi-bin/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
      if (path !== "half") continue;
      const begun = new Uint8Array(1000);
      assertStringIncludes(new TextDecoder().decode(begun.subarray(0, await clients[1]!.read(begun) ?? 0)), "200 OK");
    }
    // Nothing shows when the server watches these clients; disconnecting earlier is just as valid.
    for (const client of clients.reverse()) client.close();
    await site.command.untilStderr('"GET /cgi-bin/silent?queued HTTP/1.1" ');
    await site.command.untilStderr('"GET /cgi-bin/silent HTTP/1.1" ');
    assertEquals((await ask(site.port, "GET", "/cgi-bin/says")).text, "ok");
    assertEquals(await site.command.stop(), 0);
    const ours = site.command.stderr().split("\n").filter((line) =>
      !/^127\.0\.0\.1 - - |^pyserve: .*says: a/.test(line)
    );
    assertEquals(ours.sort(), [
      "",
      "pyserve: /cgi-bin/dies: killed by SIGKILL",
      "pyserve: /cgi-bin/fails: exit status 3",
      "pyserve: Cannot answer GET /cgi-bin/crash: The program ended without any output; exit status 3",
    ], "neither disconnects, nor a warning of the runtime");
  },
});

Deno.test({
  name: "a request that has waited too long for a slot is told to retry, and the slot is not lost",
  ignore,
  async fn() {
    await using tree = await tempTree({
      "cgi-bin/wait.sh": sh("touch here; while [ ! -e go ]; do sleep 0.02; done; printf 'X-A: b\\n\\nok'"),
    });
    await Deno.chmod(tree.at("cgi-bin/wait.sh"), 0o755);
    const fetch = toFetch(cgi(disk(tree.path), { maxPrograms: 1, queueTimeout: 50 }));
    const asked = async (init?: RequestInit) => await fetch(new Request("http://localhost/cgi-bin/wait.sh", init));
    const first = asked();
    await until(() => Deno.stat(tree.at("cgi-bin/here")).then(() => true, () => false), "the first runs");
    // Its body has a temporary file by then, which is removed with it.
    const second = await asked({ method: "POST", body: new Uint8Array(2_000_000) });
    assertEquals([second.status, second.headers.get("retry-after")], [503, "1"]);
    await second.body?.cancel();
    await Deno.writeTextFile(tree.at("cgi-bin/go"), "");
    assertEquals(await (await first).text(), "ok");
    assertEquals(await (await asked()).text(), "ok");
  },
});
