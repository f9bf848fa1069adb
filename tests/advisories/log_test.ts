/** Advisories about the log: each request is a single, escaped line. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { LOG_FORMATS } from "../../handlers/core/access_line.ts";
import { accessLog, derive, errorPages, type Handler, HttpError, type Layer, settle, toFetch, wrap } from "@x/pyserve";
import { escapeJson, escapeLog, escapeLogQuoted, showUnseen } from "@x/pyserve/http";
import { runCommand, type RunningCommand, start } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { utf8 } from "./support.ts";

/** Content of a request, and how the log must show it if the runtime accepts it. */
const LOGGED: readonly (readonly [id: string, target: string, lines: readonly string[], logged: string])[] = [
  ["gh-100001 (Python): ESC", "/%1b[2J", [], "/%1b[2J"],
  ["gh-100001: ESC as a byte", "/x\x1b[2J", [], "/x\\x1b[2J"],
  ["gh-100001: NUL", "/%00", [], "/%00"],
  ["gh-100001: NUL as a byte", "/x\0", [], "/x\\x00"],
  ["dufs #691: a line end", "/%0d%0a127.0.0.1%20-%20-", [], "/%0d%0a127.0.0.1%20-%20-"],
  ["gh-100001: CSI of Latin-1 as a byte", "/x\x9b2J", [], "/x\\x9b2J"],
  ["gh-100001: CSI in UTF-8", `/x${utf8("\x9b")}2J`, [], "/x\\x9b2J"],
  ["a line separator", `/x${utf8("\u2028")}`, [], "/x\\u2028"],
  ["a backslash", "/x\\x1b", [], "/x\\\\x1b"],
  ["CVE-2026-30852 (Caddy): placeholders", "/${HOME}%25h{env.HOME}%n", [], "/${HOME}%25h{env.HOME}%n"],
  ["CSI in the agent", "/alive.txt", ["User-Agent: x\x9b2J"], "x\\x9b2J"],
  ["CSI in the referrer", "/alive.txt", ["Referer: x\x9b2J"], "x\\x9b2J"],
  ["CVE-2025-25184 (Rack): a tab", "/alive.txt", ["User-Agent: x\ty"], "x\\x09y"],
  ["ESC in the agent", "/alive.txt", ["User-Agent: x\x1b[2J"], "x\\x1b[2J"],
  ["NUL in the agent", "/alive.txt", ["User-Agent: x\0y"], "x\\x00y"],
  ["CVE-2021-42574 (Trojan Source)", `/x${utf8("\u202etxt.exe")}`, [], "/x\\u202etxt.exe"],
  ["CVE-2021-42574, an isolate", `/x${utf8("\u2066y\u2069")}`, [], "/x\\u2066y\\u2069"],
  ["CVE-2021-42574 in the agent", "/alive.txt", [`User-Agent: ${utf8("a\u202eb")}`], "a\xe2\\x80\xaeb"],
  ["CVE-2021-42574 in the referrer", "/alive.txt", [`Referer: ${utf8("a\u2067b")}`], "a\xe2\\x81\xa7b"],
  ["what shows nothing", `/x${utf8("\u200b\ufeff\u00ad\u2060")}`, [], "/x\\u200b\\ufeff\\xad\\u2060"],
  ["what shows nothing, beyond the first plane", `/x${utf8("\u{e0041}")}`, [], "/x\\U000e0041"],
  ["a CR in the agent", "/alive.txt", ["User-Agent: x\ry: z"], "x\\x0dy: z"],
];

const PLAIN = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u;
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const COMBINED = new RegExp(String.raw`^127\.0\.0\.1 - - \[[^\]]+\] ${QUOTED} \d{3} (?:\d+|-) ${QUOTED} ${QUOTED}$`);

/** The lines that a request adds to the log; the line of a second request shows that they are complete. */
async function linesOf(command: RunningCommand, marker: string, request: () => Promise<void>): Promise<string[]> {
  const before = command.stderr().length;
  await request();
  await ask(command.port, "OPTIONS", `/${marker}`);
  await command.untilStderr(marker);
  return command.stderr().slice(before).split("\n").slice(0, -1).filter((line) => !line.includes(marker));
}

for (const format of ["combined", "common", "python", "json"]) {
  Deno.test(`advisories about the log, in the format ${format}`, async (t) => {
    await using tree = await tempTree({ "alive.txt": "alive" });
    await using command = await start([tree.path, "--log-format", format]);
    for (const [index, [id, target, headerLines, logged]] of LOGGED.entries()) {
      await t.step(`${id} leaves a clean line`, async () => {
        let ours = false;
        let failed = false;
        const lines = await linesOf(command, `marker-${index}-end`, async () => {
          const { status, headers } = await ask(command.port, "GET", target, ...headerLines);
          [ours, failed] = [headers.get("server") === "pyserve", status >= 400];
        });
        // Requests that the runtime itself refuses are not logged. Python's format has a second line for failures.
        assertEquals(lines.length, !ours ? 0 : failed && format === "python" ? 2 : 1, lines.join("\n"));
        for (const line of lines) assertMatch(line, PLAIN);
        const line = lines.at(-1);
        if (format === "combined" && line) assert(COMBINED.test(line) && line.includes(logged), line);
        if (format === "json" && line) assertEquals(JSON.parse(line).address, "127.0.0.1");
      });
    }
  });
}

Deno.test("CVE-2026-54089 (File Browser): the address in the log is that of the connection", async () => {
  await using tree = await tempTree({ "alive.txt": "alive" });
  await using command = await start([tree.path]);
  const headers = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP"].map((name) => `${name}: for=6.6.6.6`);
  await ask(command.port, "GET", "/alive.txt", ...headers);
  await command.untilStderr("/alive.txt");
  assertMatch(command.stderr(), /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/alive\.txt HTTP\/1\.1" 200 -\n$/);
});

/** Every control, bidirectional and invisible character. */
const UNSEEN = Array.from({ length: 0x110000 }, (_, code) => code)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code))
  .filter((character) => !PLAIN.test(character));

Deno.test("no invisible character gets through: the log in four formats, error pages, listings as text", async () => {
  assert(UNSEEN.length > 200, `${UNSEEN.length}`);
  const text = UNSEEN.join("") + "\ud800";
  for (const shown of [escapeLog(text), escapeLogQuoted(text), showUnseen(text).replace(/[\n\t]/g, "")]) {
    assertMatch(shown, PLAIN);
  }
  assertEquals(JSON.parse(escapeJson(JSON.stringify({ text }))), { text });
  const lines: string[] = [];
  const log = { access: (line: string) => lines.push(line), error() {} };
  const failing: Handler = () => {
    throw new HttpError(409, `The name "${text}" is taken`, { details: text });
  };
  const headers = { "user-agent": "", referer: "" };
  const request = Object.defineProperties(new Request("http://localhost/", { headers }), {
    url: { value: `http://localhost/${text.replace(/[\n\r\t]/g, "")}` },
  });
  for (const format of LOG_FORMATS) {
    const named: Layer = (next) => (request, context) => next(request, derive(context, { user: text }));
    for (const accept of ["text/html", "application/json", "text/plain"]) {
      request.headers.set("accept", accept);
      const site = wrap(settle(failing), named, accessLog(format), errorPages());
      const body = await (await toFetch(site, { log })(request)).text();
      assertMatch(body.replace(/[\n\t]/g, ""), PLAIN, accept);
    }
  }
  assert(lines.length >= 12);
  for (const line of lines) assertMatch(line, PLAIN);
});

Deno.test("what a program writes to its standard error, and what is wrong at the start, are shown as they are", async () => {
  await using tree = await tempTree({ "cgi-bin/run": "#!/bin/sh\nprintf 'a\\342\\200\\256b\\n' >&2; printf '\\n'\n" });
  await Deno.chmod(tree.at("cgi-bin/run"), 0o755);
  await using command = await start([tree.path, "--cgi"]);
  await ask(command.port, "GET", "/cgi-bin/run");
  await command.untilStderr("a\\u202eb\n");
  const { stderr } = await runCommand([`${tree.path}/no\u202ething`]);
  assert(stderr.includes("no\\u202ething") && !stderr.includes("\u202e"), stderr);
});
