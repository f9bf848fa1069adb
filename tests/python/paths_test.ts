/**
 * What Python's http.server answers to unusual targets, directories and dates, row by row, compared with pyserve.
 * Differences are deliberate, and the row says why. Python is 3.14; 3.11 and 3.13 differ from it only in `%2f`
 * at the end of a target and in the query that a listing's title shows.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path/join";
import { type RunningCommand, start, startProcess } from "../support/command.ts";
import { ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { leadsTo } from "../support/location.ts";
import { ask, raw, type RawResponse } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

/** Names with backslashes and line ends, links and FIFOs: a Windows disk holds none of them. */
const ignore = Deno.build.os === "windows";

/** One row. Answers are in words: `200 NAME` is the file of that name, `200 listing PATH`, `301 LOCATION`, `404`. */
interface Row {
  /** The target as it stands in the request line, a byte a character; or the header lines of a conditional request. */
  readonly sent: string;
  readonly python: string;
  readonly pyserve: string;
  readonly why?: string;
}

function same(sent: string, answer: string): Row {
  return { sent, python: answer, pyserve: answer };
}

function differs(sent: string, python: string, pyserve: string, why: string): Row {
  if (python === pyserve) throw new TypeError(`The row "${sent}" does not differ`);
  return { sent, python, pyserve, why };
}

const NO_SLASH = "the runtime takes targets with a slash in front only (RFC 9112 section 3.2)";
const ENCODED_SLASH = "an encoded slash is part of a name, and no name has one: no two layers can disagree about it";
const ABOVE = "a path above the root is not there; Python clamps it";
const DOT_IS_SLASH = "a last segment of one dot is a slash (RFC 3986 section 5.2.4)";
const BAD_ESCAPE = "a broken escape is an error of the client, not a literal percent sign";
const RESOLVED = "Location is made of the decoded, resolved segments, and never echoes the target";
const FRAGMENT = "a target has no fragment (RFC 9112 section 3.2), and what is behind # may be part of a name";
const REAL_DATES = "dates are those of RFC 9110 section 5.6.7: case-sensitive, in GMT, nothing behind";
const EVALUATED = "preconditions are evaluated, in the order of RFC 9110 section 13.2.2";

/** From a target to a file. */
const PATHS: readonly Row[] = [
  same("/a.txt", "200 a.txt"),
  differs("a.txt", "200 a.txt", "400", NO_SLASH),
  same("/./a.txt", "200 a.txt"),
  same("/sub/../a.txt", "200 a.txt"),
  differs("/sub%2f..%2fa.txt", "200 a.txt", "404", ENCODED_SLASH),
  differs("/../a.txt", "200 a.txt", "404", ABOVE),
  same("/a%2Etxt", "200 a.txt"),
  differs("/a.txt/.", "200 a.txt", "404", DOT_IS_SLASH),
  same("/a.txt?x", "200 a.txt"),
  differs("/a.txt#f", "200 a.txt", "400", FRAGMENT),
  differs("/a.txt#f?x", "200 a.txt", "400", FRAGMENT),
  differs("/a.txt?x#f", "200 a.txt", "400", FRAGMENT),
  same("/a.txt/", "404"),
  same("/a.txt//", "404"),
  same("/a.txt/?x", "404"),
  same("/a.txt/in.txt", "404"),
  same("/a.txt%2f", "404"),
  same("/a.txt%2F", "404"),
  differs("/sub%2f", "200 listing /sub/", "404", ENCODED_SLASH),
  differs("/sub%2Fin.txt", "200 sub/in.txt", "404", ENCODED_SLASH),
  same("/../../etc/passwd", "404"),
  same("/%2e%2e/%2e%2e/etc/passwd", "404"),
  same("/..%2f..%2fetc%2fpasswd", "404"),
  same("/..%5c..%5cetc", "404"),
  differs(
    "http://localhost/a.txt",
    "404",
    "200 a.txt",
    "RFC 9112 section 3.2.2 requires the absolute form (gh-132741)",
  ),
  differs("HTTP://localhost/a.txt", "404", "200 a.txt", "the absolute form, whose scheme has no case"),
  differs("*", "404", "400", NO_SLASH),
  differs("https:sub", "404", "400", NO_SLASH),
  same("/c:/a.txt", "404"),
  differs("/%00", "closed", "400", "a NUL is answered, and not with a traceback"),
  differs("/a.txt%00", "closed", "400", "a NUL is answered, and not with a traceback"),
  differs("/%", "404", "400", BAD_ESCAPE),
  differs("/%a", "404", "400", BAD_ESCAPE),
  differs("/%zz", "200 %zz", "400", BAD_ESCAPE),
  same("/%25zz", "200 %zz"),
  differs("/%E9", "200 \ufffd", "400", "bytes that are not UTF-8 name nothing, and not the file called U+FFFD"),
  same("/%EF%BF%BD", "200 \ufffd"),
  same("/%C3%BC.txt", "200 ü.txt"),
  differs("/\xc3\xbc.txt", "404", "200 ü.txt", "raw bytes are read as UTF-8, as the escapes are; Python reads Latin-1"),
  differs("/\xf0\x9f\x98\x80.txt", "404", "200 😀.txt", "raw bytes are read as UTF-8, as the escapes are"),
  differs("/\xfc.txt", "200 ü.txt", "400", "raw bytes that are not UTF-8 are refused by the runtime"),
  same("/sp%20ace", "200 sp ace"),
  same("/sp+ace", "404"),
  same("/sub;x", "404"),
  same("/in.txt", "404"),
  differs("/.hidden", "200 .hidden", "404", "names with a dot in front are hidden; --hidden shows them"),
  same("/back\\slash.txt", "200 back\\slash.txt"),
  same("/back%5Cslash.txt", "200 back\\slash.txt"),
  same("/empty/%20", "404"),
  same("/link-in.txt", "200 a.txt"),
  differs("/link-out.txt", "200 outside", "404", "links out of the root are not followed; --follow-links does"),
];

/** Directories, redirects and index files. */
const DIRECTORIES: readonly Row[] = [
  same("/", "200 listing /"),
  same("/sub/", "200 listing /sub/"),
  same("/sub/?x=1", "200 listing /sub/"),
  same("/sub", "301 /sub/"),
  same("/sub?a=b", "301 /sub/?a=b"),
  same("/sub?a=b?c", "301 /sub/?a=b?c"),
  same("/sub?", "301 /sub/"),
  differs("/sub#f", "301 /sub/#f", "400", FRAGMENT),
  differs("/sub/.", "301 /sub/./", "200 listing /sub/", DOT_IS_SLASH),
  differs("/s%75b", "301 /s%75b/", "301 /sub/", RESOLVED),
  differs("/empty/../sub", "301 /empty/../sub/", "301 /sub/", RESOLVED),
  differs("/sub//", "200 listing /sub//", "200 listing /sub/", "the heading shows the resolved path"),
  differs("?x", "301 /?x", "400", NO_SLASH),
  differs(".", "301 ./", "400", NO_SLASH),
  differs("sub", "301 sub/", "400", NO_SLASH),
  differs("https://localhost/sub?a", "404", "301 /sub/?a", "the absolute form is served, and Location names no host"),
  differs("https://localhost/../../sub", "301 https://localhost/../../sub/", "404", ABOVE),
  same("//sub", "301 /sub/"),
  same("///sub", "301 /sub/"),
  differs("//evil.example/..", "301 /evil.example/../", "200 listing /", RESOLVED),
  differs("//evil.example/%2e%2e", "301 /evil.example/%2e%2e/", "200 listing /", RESOLVED),
  differs("/\\evil.example/..", "301 /\\evil.example/../", "200 listing /", RESOLVED),
  differs("/\\evil.example", "301 /\\evil.example/", "301 /%5Cevil.example/", "browsers read /\\ as // (gh-132826)"),
  same("/a%0D%0Ab", "301 /a%0D%0Ab/"),
  differs("/a%0d%0ab", "301 /a%0d%0ab/", "301 /a%0D%0Ab/", RESOLVED),
  same("/page", "301 /page/"),
  same("/page/", "200 page/index.html"),
  same("/old/", "200 old/index.htm"),
  same("/both/", "200 both/index.html"),
  same("/odd/", "200 listing /odd/"),
  same("/odd/index.html", "301 /odd/index.html/"),
  same("/fallback/", "200 fallback/index.htm"),
  same("/nothing", "404"),
  same("/nothing/", "404"),
];

const NAMES = [
  ...["a.txt", "sub/in.txt", "sp ace", "ü.txt", "😀.txt", "\ufffd", "%zz", ".hidden", "back\\slash.txt"],
  ...["page/index.html", "old/index.htm", "both/index.html", "both/index.htm", "fallback/index.htm"],
];
const EMPTY = ["empty/", "odd/index.html/", "fallback/index.html/", "\\evil.example/", "a\r\nb/"];

/** The served directory, whose files contain their names, inside one with files outside of it. */
async function site() {
  const files = [...NAMES.map((name) => [`root/${name}`, name]), ...EMPTY.map((name) => [`root/${name}`, ""])];
  const tree = await tempTree({ ...Object.fromEntries(files), "outside.txt": "outside" });
  await Deno.symlink("a.txt", tree.at("root/link-in.txt"));
  await Deno.symlink("../outside.txt", tree.at("root/link-out.txt"));
  return tree;
}

/** The path that a redirect leads to is compared: Python sends it from the root, pyserve relative to what was sent. */
function answerOf(sent: string, { status, headers, text }: RawResponse): string {
  if (status === 301) return `301 ${leadsTo(sent, { headers })}`;
  if (status !== 200) return status === 0 ? "closed" : String(status);
  const title = /<title>Directory listing for (.*)<\/title>/.exec(text)?.[1];
  return `200 ${title === undefined ? text : `listing ${title}`}`;
}

async function checkTargets(t: Deno.TestContext, { port }: RunningCommand, rows: readonly Row[]): Promise<void> {
  for (const { sent, pyserve, why } of rows) {
    await t.step(`${JSON.stringify(sent)} is ${pyserve}${why ? `: ${why}` : ""}`, async () => {
      const got = await ask(port, "GET", sent);
      assertEquals(answerOf(sent, got), pyserve);
      const head = await ask(port, "HEAD", sent);
      assertEquals([head.status, head.headers.get("location")], [got.status, got.headers.get("location")]);
      assertEquals(head.headers.get("content-length"), got.headers.get("content-length"));
      assertEquals(head.text, "");
    });
  }
}

Deno.test({ name: "targets are translated to files as in Python", ignore }, async (t) => {
  await using tree = await site();
  await using command = await start([tree.at("root")]);
  await checkTargets(t, command, PATHS);

  await t.step("/A.TXT is found only if the file system ignores case", async () => {
    const there = await Deno.stat(tree.at("root/A.TXT")).then(() => "200 a.txt", () => "404");
    assertEquals(answerOf("/A.TXT", await ask(command.port, "GET", "/A.TXT")), there);
  });
  await t.step("HTTP/1.1, and HTTP/1.0 to clients of that version: Python always says 1.0", async () => {
    assertMatch((await ask(command.port, "GET", "/a.txt")).head, /^HTTP\/1\.1 200 OK\r\n/);
    const old = await raw(command.port, "GET /a.txt HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assertMatch(old.head, /^HTTP\/1\.0 200 OK\r\n/);
    assertEquals(old.text, "a.txt");
  });
});

Deno.test({ name: "with --hidden and --follow-links, pyserve serves what Python does", ignore }, async () => {
  await using tree = await site();
  await using command = await start([tree.at("root"), "--hidden", "--follow-links"]);
  for (const target of ["/.hidden", "/link-out.txt"]) {
    const row = PATHS.find(({ sent }) => sent === target);
    assertEquals(answerOf(target, await ask(command.port, "GET", target)), row?.python);
  }
});

Deno.test(
  { name: "a FIFO is 404 at once, while Python waits forever", ignore: ignore || missing("mkfifo") },
  async () => {
    await using tree = await tempTree();
    assert((await new Deno.Command("mkfifo", { args: [tree.at("fifo")] }).output()).success);
    await using command = await start([tree.path]);
    for (const method of ["GET", "HEAD"]) assertEquals((await ask(command.port, method, "/fifo")).status, 404);
  },
);

Deno.test({ name: "directories are redirected and indexed as in Python", ignore }, async (t) => {
  await using tree = await site();
  await using command = await start([tree.at("root")]);
  const { port } = command;
  await checkTargets(t, command, DIRECTORIES);

  await t.step("a redirect has no content, and Content-Length 0", async () => {
    const { headers, text } = await ask(port, "GET", "/sub");
    assertEquals([headers.get("content-length"), headers.get("content-type"), text], ["0", null, ""]);
  });
  await t.step("an index file is sent as if requested by its name", async () => {
    const date = "Thu, 02 Jan 2020 03:04:05 GMT";
    await Deno.utime(tree.at("root/page/index.html"), 0, Date.parse(date) / 1000);
    const index = await ask(port, "GET", "/page/");
    const named = await ask(port, "GET", "/page/index.html");
    assertEquals(index.headers.get("last-modified"), date);
    for (const name of ["content-type", "last-modified", "content-length", "etag"]) {
      assertEquals(index.headers.get(name), named.headers.get(name));
    }
    assertEquals((await ask(port, "GET", "/page/", `If-Modified-Since: ${date}`)).status, 304);
  });
  await t.step("If-Modified-Since says nothing about a listing", async () => {
    const later = "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT";
    assertEquals(answerOf("/sub/", await ask(port, "GET", "/sub/", later)), "200 listing /sub/");
  });
});

// Root may read everything, unless it drops the two capabilities for it.
const asRoot = !ignore && Deno.uid() === 0;
const DROP = ["--bounding-set", "-dac_override,-dac_read_search"];

/** The command as a user who is subject to permissions. */
async function startUnprivileged(root: string): Promise<RunningCommand> {
  const run = ["run", "--no-lock", "-A", join(ROOT, "cli.ts"), root, "-b", "127.0.0.1", "0"];
  if (!asRoot) return await startProcess(Deno.execPath(), run);
  return await startProcess("setpriv", [...DROP, Deno.execPath(), ...run]);
}

Deno.test({
  name: "an unreadable file is 403, where Python says 404: the operator's log tells why",
  ignore: ignore || (asRoot && missing("setpriv")),
}, async () => {
  await using tree = await tempTree({ "closed/in.txt": "in", "closed.txt": "closed" });
  await using command = await startUnprivileged(tree.path);
  await Deno.chmod(tree.at("closed"), 0);
  await Deno.chmod(tree.at("closed.txt"), 0);
  try {
    for (const target of ["/closed/", "/closed/in.txt", "/closed.txt"]) {
      for (const method of ["GET", "HEAD"]) assertEquals((await ask(command.port, method, target)).status, 403, target);
    }
  } finally {
    await Deno.chmod(tree.at("closed"), 0o700);
  }
});

/** Dates and other conditions; the file is of Thu, 02 Jan 2020 03:04:05.678 GMT. */
const CONDITIONS: readonly Row[] = [
  same("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT", "304"),
  same("If-Modified-Since: Thu, 02 Jan 2020 03:04:06 GMT", "304"),
  same("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", "304"),
  same("If-Modified-Since: Thursday, 02-Jan-20 03:04:05 GMT", "304"),
  same("If-Modified-Since: Thu Jan  2 03:04:05 2020", "304"),
  differs("If-Modified-Since: thu, 02 jan 2020 03:04:05 gmt", "304", "200", REAL_DATES),
  differs("If-Modified-Since: 02 Jan 2020 03:04:05 GMT", "304", "200", REAL_DATES),
  differs("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 +0000", "304", "200", REAL_DATES),
  differs("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 -0000", "304", "200", REAL_DATES),
  differs("If-Modified-Since: Thu, 02 Jan 2020 03:04:05", "304", "200", REAL_DATES),
  differs("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 UTC", "304", "200", REAL_DATES),
  differs("If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT; length=5", "304", "200", REAL_DATES),
  same("If-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT", "200"),
  same("If-Modified-Since: Fri, 03 Jan 2020 03:04:05 +0100", "200"),
  same("If-Modified-Since: Fri, 03 Jan 2020 03:04:05 EST", "200"),
  same("If-Modified-Since: 2020-01-03T03:04:05Z", "200"),
  same("If-Modified-Since: garbage", "200"),
  same("If-Modified-Since:", "200"),
  same("If-Modified-Since: Thu, 99 Jan 2020 03:04:05 GMT", "200"),
  same("If-Modified-Since: Thu, 02 Jan 99999 03:04:05 GMT", "200"),
  differs(
    "If-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT",
    "304",
    "200",
    "a field of two dates is no date, and is ignored (RFC 9110 section 13.1.3)",
  ),
  differs("If-None-Match: *", "200", "304", EVALUATED),
  same('If-None-Match: "other"\r\nIf-Modified-Since: Thu, 02 Jan 2020 03:04:05 GMT', "200"),
  differs('If-Match: "other"', "200", "412", EVALUATED),
  same("If-Match: *", "200"),
  differs("If-Unmodified-Since: Thu, 02 Jan 2020 03:04:04 GMT", "200", "412", EVALUATED),
  same("If-Unmodified-Since: Thu, 02 Jan 2020 03:04:05 GMT", "200"),
  differs("Range: bytes=0-0", "200", "206", "ranges are sent"),
  same('Range: bytes=0-0\r\nIf-Range: "other"', "200"),
  same("Accept: image/png", "200"),
  same("Accept-Encoding: gzip;q=1, identity;q=0", "200"),
];

Deno.test("conditional requests are answered as in Python, where Python supports the condition", async (t) => {
  const date = "Thu, 02 Jan 2020 03:04:05 GMT";
  await using tree = await tempTree({ "a.txt": "hello", "page/index.html": "page" });
  for (const name of ["a.txt", "page/index.html"]) await Deno.utime(tree.at(name), 0, Date.parse(date) / 1000 + 0.678);
  await using command = await start([tree.path]);
  const { port } = command;

  for (const { sent, pyserve, why } of CONDITIONS) {
    await t.step(`${JSON.stringify(sent)} is ${pyserve}${why ? `: ${why}` : ""}`, async () => {
      const { status, text } = await ask(port, "GET", "/a.txt", sent);
      assertEquals(String(status), pyserve);
      assertEquals(text.replace(/^412 .*\n$/, ""), { 200: "hello", 206: "h" }[status] ?? "");
      const head = await ask(port, "HEAD", "/a.txt", sent);
      assertEquals(String(head.status), pyserve === "206" ? "200" : pyserve);
    });
  }
  await t.step("If-None-Match with the tag of the answer is 304", async () => {
    const etag = (await ask(port, "GET", "/a.txt")).headers.get("etag");
    assert(etag);
    const old = "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT";
    assertEquals((await ask(port, "GET", "/a.txt", `If-None-Match: ${etag}`, old)).status, 304);
  });
  for (const target of ["/a.txt", "/page/"]) {
    await t.step(`a 304 for ${target} has neither content nor Content-Length`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers, text } = await ask(port, method, target, `If-Modified-Since: ${date}`);
        assertEquals([status, headers.get("last-modified"), text], [304, null, ""]);
        assertEquals(headers.get("content-length"), null);
      }
    });
  }
  await t.step("a 304 keeps the connection open", async () => {
    const lines = ["GET /a.txt HTTP/1.1", "Host: localhost", `If-Modified-Since: ${date}`];
    const { head, text } = await raw(
      port,
      [...lines, "", "GET /a.txt HTTP/1.1", "Host: localhost", "Connection: close", "", ""].join("\r\n"),
    );
    assertMatch(head, /^HTTP\/1\.1 304 /);
    assertMatch(text, /^HTTP\/1\.1 200 [^]*\r\n\r\nhello$/);
  });
});
