/** Which program a path names. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import { targetBeforeEncodedSlash } from "../../handlers/http/target.ts";
import { DEFAULT_SCRIPT_RULES, rulePath, ScriptFinder } from "../../handlers/upstream/find_script.ts";
import {
  type Context,
  derive,
  disk,
  type Feature,
  fileServer,
  filtered,
  type Handler,
  HttpError,
  memory,
  mount,
  SitePath,
  toFetch,
} from "@x/pyserve";
import type { Program, ScriptRules } from "@x/pyserve/handlers";
import { parseTarget, Refusal } from "@x/pyserve/http";
import { leadsTo } from "../support/location.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

/** Links and names with backslashes: a Windows disk holds none of them. */
const ignore = Deno.build.os === "windows";

/** A handler that answers with the program that was found, without running it. */
function found(rules: ScriptRules): Feature {
  return {
    methods: ["GET", "POST"],
    encodedSlashes: true,
    handler: ({ source }) => {
      const finder = new ScriptFinder(source, rules);
      return async (_request, context) => {
        const program = await finder.find(context);
        return program && Response.json({ ...program, query: context.target.query });
      };
    },
  };
}

/** A site over the wire: `new Request` would normalise the targets. */
function site(handler: Handler): { ask(target: string): Promise<string> } & AsyncDisposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, toFetch(handler));
  return {
    /** The answer in words: `SCRIPT_NAME|PATH_INFO` of a program, `static TEXT`, a redirect, or the status. */
    async ask(target) {
      const { status, text, headers } = await ask(server.addr.port, "GET", target);
      if (status === 301) return `301 ${leadsTo(target, { headers })}`;
      if (status !== 200) return String(status);
      if (headers.get("content-type") !== "application/json") {
        return /<title>/.test(text) ? "listing" : `static ${text}`;
      }
      const program: Program = JSON.parse(text);
      return `${program.name}|${program.pathInfo}`;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const RULES: ScriptRules = {
  ...DEFAULT_SCRIPT_RULES,
  extensions: [".cgi"],
  interpreters: new Map([[".php", ["/usr/bin/php-cgi"]], [".inc.php", ["/bin/false", "-x"]]]),
  mounts: [
    { path: rulePath("/git"), command: ["/usr/lib/git-core/git-http-backend"] },
    { path: rulePath("/git/deep"), command: ["/bin/deep", "word"] },
  ],
  index: ["index.cgi", "index.php"],
};

const FILES = {
  "root/a.txt": "a",
  "root/cgi-bin/x.sh": "secret",
  "root/cgi-bin/data.txt": "secret",
  "root/cgi-bin/sub/y.sh": "secret",
  "root/cgi-bin/.hidden.sh": "secret",
  "root/cgi-bin/app.php": "secret",
  "root/cgi-bin/back\\slash": "secret",
  "root/cgi-bin/é.sh": "secret",
  "root/htbin/z": "secret",
  "root/other/w.cgi": "secret",
  "root/other/W2.CGI": "secret",
  "root/other/p.php": "secret",
  "root/other/q.inc.php": "secret",
  "root/other/r.php.txt": "r",
  "root/other/cgi-bin/n.sh": "n",
  "root/other/plain": "secret",
  "root/indexed/index.cgi": "secret",
  "root/indexed/index.html": "html",
  "root/dir.cgi/in.txt": "in",
  "root/git/static.txt": "static",
  "root/scripts/s.sh": "secret",
  "outside/o.sh": "secret",
};

async function tree() {
  const tree = await tempTree(FILES);
  await Deno.symlink("cgi-bin/x.sh", tree.at("root/link-in"));
  await Deno.symlink("cgi-bin", tree.at("root/linked"));
  await Deno.symlink("../a.txt", tree.at("root/cgi-bin/link-to-a"));
  await Deno.symlink("../../outside/o.sh", tree.at("root/cgi-bin/link-out"));
  await Deno.symlink("../other/p.php", tree.at("root/cgi-bin/link-to-php"));
  await Deno.symlink("other/p.php", tree.at("root/source.txt"));
  await Deno.symlink("other/plain", tree.at("root/app.php"));
  await Deno.symlink("nowhere", tree.at("root/cgi-bin/broken"));
  return tree;
}

const TARGETS: readonly [target: string, answer: string, why: string][] = [
  ["/cgi-bin/x.sh", "/cgi-bin/x.sh|", "a script"],
  ["/htbin/z", "/htbin/z|", "of the other directory"],
  ["/cgi-bin/x.sh?a=b?c=d", "/cgi-bin/x.sh|", "the query is no part of it"],
  ["/cgi-bin/x.sh?k=aa%2F%2Fbb&//q//p//=//a//b//", "/cgi-bin/x.sh|", "nor slashes in it (CPython)"],
  ["/cgi-bin/x.sh/", "/cgi-bin/x.sh|/", "a slash at the end is PATH_INFO (lighttpd)"],
  ["/cgi-bin/x.sh/a/b", "/cgi-bin/x.sh|/a/b", "PATH_INFO"],
  ["/cgi-bin/x.sh//a///b/", "/cgi-bin/x.sh|//a///b/", "its empty segments are kept"],
  ["//cgi-bin///x.sh//", "/cgi-bin/x.sh|//", "those in front of it are not"],
  ["/cgi-bin/x.sh/a%2Fb?q", "/cgi-bin/x.sh|/a/b", "an encoded slash in PATH_INFO"],
  ["/cgi-bin/x.sh/%2f", "/cgi-bin/x.sh|//", "nothing but one"],
  ["/cgi-bin/x.sh/a%252Fb", "/cgi-bin/x.sh|/a%2Fb", "decoded once"],
  ["/cgi-bin/x.sh/%3Fa%23", "/cgi-bin/x.sh|/?a#", "what is encoded is no query"],
  ["/cgi-bin/x.sh/%C3%A9", "/cgi-bin/x.sh|/é", "UTF-8"],
  ["/cgi-bin/%C3%A9.sh/", "/cgi-bin/é.sh|/", "in the name, too"],
  ["/cgi-bin/x.sh/%E9", "400", "which cannot be put into an environment"],
  ["/cgi-bin/x.sh/%00", "400", "nor can NUL"],
  ["/cgi-bin/x.sh/a%2Fb%00", "400", "not even behind an encoded slash"],
  ["/cgi-bin/x.sh/a%2Fb%zz", "400", "a broken escape behind it"],
  ["/cgi-bin/x.sh/..%2f..%2fetc", "404", "which a program would resolve once more"],
  ["/cgi-bin/x.sh/a%2f..", "404", "at the end as well"],
  ["/cgi-bin/x.sh/a%2f.%2fb", "404", "one dot, too"],
  ["/cgi-bin/x.sh/a%2f..b", "/cgi-bin/x.sh|/a/..b", "this is a name"],
  ["/cgi-bin/x.sh/a/../b", "/cgi-bin/x.sh|/b", "dots are resolved in PATH_INFO"],
  ["/cgi-bin/x.sh/a/..", "/cgi-bin/x.sh|/", "and leave a slash at its end"],
  ["/cgi-bin/x.sh/.", "/cgi-bin/x.sh|/", "one dot, too"],
  ["/cgi-bin/x.sh/../x.sh", "/cgi-bin/x.sh|", "out of PATH_INFO and back"],
  ["/cgi-bin/x.sh/a//../../a.txt", "404", "two dots take back a name and the empty segments behind it"],
  ["/cgi-bin/x.sh/a//../../../a.txt", "static a", "so these three lead out of the directory"],
  ["/cgi-bin/x.sh//../../a.txt", "static a", "out of the directory"],
  ["/cgi-bin%2Fx.sh", "404", "an encoded slash in front of the script; Python runs it"],
  ["/cgi-bin/%2Fx.sh", "404", "here, too (CVE-2014-4650)"],
  ["/cgi-bin/sub%2Fy.sh", "404", "and here"],
  ["/a%2Fb", "404", "no other handler answers it"],
  ["/a.txt/b%2Fc", "404", "nor that of a file"],
  ["/other%2F", "404", "nor that of a directory"],
  ["/%63gi-bin/x%2Esh", "/cgi-bin/x.sh|", "encoded letters"],
  ["/./cgi-bin/./x.sh", "/cgi-bin/x.sh|", "dots"],
  ["/a/../cgi-bin/x.sh", "/cgi-bin/x.sh|", "two of them"],
  ["/cgi-bin/sub/../x.sh", "/cgi-bin/x.sh|", "inside"],
  ["/cgi-bin/../a.txt", "static a", "out of the directory"],
  ["/cgi-bin/../cgi-bin/x.sh", "/cgi-bin/x.sh|", "and back"],
  ["///////////nocgi.py/../cgi-bin/nothere.sh", "404", "bpo-19435"],
  ["/cgi-bin/sub/y.sh/i", "/cgi-bin/sub/y.sh|/i", "bpo-21323"],
  ["/cgi-bin/nothing", "404", "no such script"],
  ["/cgi-bin/x.shx", "404", "no prefix of names"],
  ["/cgi-bin/x.sh%20%20%20", "404", "blanks at the end (lighttpd)"],
  ["/cgi-bin/x.sh.", "404", "a dot at the end"],
  ["/cgi-bin/X.SH", "404", "other letters are another name"],
  ["/cgi-bin/x.sh::$DATA", "404", "a stream"],
  ["/cgi-bin\\x.sh", "404", "a backslash is no slash"],
  ["/cgi-bin/back%5Cslash/i", "/cgi-bin/back\\slash|/i", "but may be in a name"],
  ["/cgi-bin/data.txt", "/cgi-bin/data.txt|", "all files below are programs"],
  ["/cgi-bin/.hidden.sh", "404", "but not hidden ones"],
  ["/cgi-bin", "403", "the directory"],
  ["/cgi-bin/", "403", "with slash"],
  ["/cgi-bin//", "403", "with two"],
  ["/cgi-bin/sub/", "403", "one below"],
  ["/cgi-bin/..", "listing", "the one above"],
  ["/other/cgi-bin/n.sh", "static n", "another directory of that name"],
  ["/link-in/i", "/link-in|/i", "a link into the directory"],
  ["/linked/x.sh", "/linked/x.sh|", "a link to the directory"],
  ["/linked/sub/y.sh/", "/linked/sub/y.sh|/", "and below"],
  ["/linked/", "403", "itself"],
  ["/cgi-bin/link-to-a", "/cgi-bin/link-to-a|", "a link out of the directory is never content"],
  ["/cgi-bin/link-out", "404", "out of the root it is not there"],
  ["/cgi-bin/broken", "404", "nor where nothing is"],
  ["/cgi-bin/fifo", "403", "a FIFO"],
  ["/other/w.cgi", "/other/w.cgi|", "by extension"],
  ["/other/w.cgi/i", "/other/w.cgi|/i", "with PATH_INFO"],
  ["/other/W2.CGI", "/other/W2.CGI|", "in any case of letters"],
  ["/other/p.php/i", "/other/p.php|/i", "by interpreter"],
  ["/other/r.php.txt", "static r", "only at the end of a name"],
  ["/a.txt/x.php", "404", "of the file found, not of the URL (cgi.fix_pathinfo)"],
  ["/a.txt/x.cgi", "404", "the same"],
  ["/a.txt/b", "404", "a file has nothing below it"],
  ["/source.txt", "/source.txt|", "by its real name, too"],
  ["/app.php", "/app.php|", "and by the name of the link"],
  ["/dir.cgi/in.txt", "static in", "a directory with such a name is a directory"],
  ["/dir.cgi/nothing", "404", "with nothing in it"],
  ["/nothing.php", "404", "nothing of such a name"],
  ["/indexed/", "/indexed/index.cgi|", "an index"],
  ["/indexed", "301 /indexed/", "but with a slash only"],
  ["/git", "/git|", "a mount"],
  ["/git/", "/git|/", "with a slash"],
  ["/git/static.txt", "/git|/static.txt", "goes before files"],
  ["/git//repo/info%2Frefs?service=x", "/git|//repo/info/refs", "its PATH_INFO is as any"],
  ["/git/deep/x", "/git/deep|/x", "the longest wins"],
  ["/git/deeper/x", "/git|/deeper/x", "at the border of a segment"],
  ["/gitx", "404", "at the border of a segment"],
  ["/%67it/x", "/git|/x", "decoded"],
  ["/git%2Fx", "404", "an encoded slash in front of PATH_INFO"],
  ["/git/..", "listing", "above"],
  ["/git/../..", "404", "above all"],
  ["/a.txt", "static a", "a file"],
  ["/", "listing", "the root"],
];

/** Requests of httpd's tests below /cgi-bin (test/modules/core), with its statuses. */
const HTTPD: readonly [target: string, status: number][] = [
  ["/../echo.py", 400],
  ["/nothing/../../echo.py", 400],
  ["/cgi-bin/../../echo.py", 400],
  ["/nothing/%2e%2e/%2e%2e/echo.py", 400],
  ["/cgi-bin/%2e%2e/%2e%2e/echo.py", 400],
  ["/nothing/%%32%65%%32%65/echo.py", 400],
  ["/cgi-bin/%%32%65%%32%65/echo.py", 400],
  ["/nothing/%%32%65%%32%65/%%32%65%%32%65/h2_env.py", 400],
  ["/cgi-bin/%%32%65%%32%65/%%32%65%%32%65/h2_env.py", 400],
  ["/nothing/%25%32%65%25%32%65/echo.py", 404],
  ["/cgi-bin/%25%32%65%25%32%65/echo.py", 404],
  ["/nothing/%25%32%65%25%32%65/%25%32%65%25%32%65/h2_env.py", 404],
  ["/cgi-bin/%25%32%65%25%32%65/%25%32%65%25%32%65/h2_env.py", 404],
];

Deno.test({ name: "ScriptFinder finds the file of a path", ignore }, async (t) => {
  await using files = await tree();
  assert((await new Deno.Command("mkfifo", { args: [files.at("root/cgi-bin/fifo")] }).output()).success);
  await using server = site(fileServer(files.at("root"), { features: [found(RULES)], log: false }));
  for (const [target, answer, why] of TARGETS) {
    await t.step(`${target}: ${why}`, async () => assertEquals(await server.ask(target), answer));
  }
  for (const [target, status] of HTTPD) {
    await t.step(`${target}, which httpd answers with ${status}`, async () => {
      // It says 400 of a path above the root; Python and we say 404.
      const isAbove = !target.includes("%%") && status === 400;
      assertEquals(await server.ask(target), String(isAbove ? 404 : status));
    });
  }
});

function contextOf(raw: string, changes: Partial<Context> = {}): Context {
  const target = parseTarget(raw);
  assert(!(target instanceof Refusal));
  const refused = targetBeforeEncodedSlash(raw);
  const rights = { view: "", may: () => true };
  const context = { base: SitePath.root, target: refused ?? target, ...rights, derived: () => null };
  return derive(context as unknown as Context, changes);
}

Deno.test({ name: "ScriptFinder tells how a program is run", ignore }, async () => {
  await using files = await tree();
  const root = files.at("root");
  const finder = new ScriptFinder(disk(root), RULES);
  assertEquals(await finder.find(contextOf("/cgi-bin/sub/y.sh/a//b?q")), {
    command: join(root, "cgi-bin/sub/y.sh"),
    args: [],
    file: join(root, "cgi-bin/sub/y.sh"),
    directory: join(root, "cgi-bin/sub"),
    name: "/cgi-bin/sub/y.sh",
    pathInfo: "/a//b",
    pathTranslated: join(root, "/") + "a//b",
    documentRoot: root,
  });
  assertEquals(await finder.find(contextOf("/other/p.php")), {
    command: "/usr/bin/php-cgi",
    args: [join(root, "other/p.php")],
    file: join(root, "other/p.php"),
    directory: join(root, "other"),
    name: "/other/p.php",
    pathInfo: "",
    pathTranslated: null,
    documentRoot: root,
  });
  const backend = "/usr/lib/git-core/git-http-backend";
  assertEquals(await finder.find(contextOf("/git/r.git/info/refs")), {
    command: backend,
    args: [],
    file: backend,
    directory: "/usr/lib/git-core",
    name: "/git",
    pathInfo: "/r.git/info/refs",
    pathTranslated: join(root, "r.git/info/refs"),
    documentRoot: root,
  });
  const commandOf = async (raw: string) => {
    const program = await finder.find(contextOf(raw));
    return [program?.command, ...program?.args ?? []];
  };
  assertEquals(await commandOf("/other/q.inc.php"), ["/bin/false", "-x", join(root, "other/q.inc.php")]);
  assertEquals(await commandOf("/cgi-bin/app.php"), ["/usr/bin/php-cgi", join(root, "cgi-bin/app.php")]);
  assertEquals(await commandOf("/cgi-bin/link-to-php"), ["/usr/bin/php-cgi", join(root, "other/p.php")]);
  assertEquals(await commandOf("/source.txt"), ["/usr/bin/php-cgi", join(root, "other/p.php")]);
  assertEquals(await commandOf("/app.php"), ["/usr/bin/php-cgi", join(root, "other/plain")]);
  assertEquals(await commandOf("/link-in"), [join(root, "cgi-bin/x.sh")]);
  assertEquals(await commandOf("/git/deep"), ["/bin/deep", "word"]);
});

Deno.test(
  { name: "ScriptFinder runs targets of links out of the root if the source follows them", ignore },
  async () => {
    await using files = await tree();
    const finder = new ScriptFinder(disk(files.at("root"), { followLinks: true }), RULES);
    const program = await finder.find(contextOf("/cgi-bin/link-out"));
    assertEquals([program?.file, program?.name], [files.at("outside/o.sh"), "/cgi-bin/link-out"]);
  },
);

Deno.test({ name: "ScriptFinder runs a directory that is a link to one with another name", ignore }, async () => {
  await using files = await tempTree({ "scripts/s.sh": "secret" });
  await Deno.symlink("scripts", files.at("cgi-bin"));
  const finder = new ScriptFinder(disk(files.path));
  assertEquals((await finder.find(contextOf("/cgi-bin/s.sh")))?.file, files.at("scripts/s.sh"));
  // The same file is not available as content under its other name.
  assertEquals((await finder.find(contextOf("/scripts/s.sh")))?.file, files.at("scripts/s.sh"));
});

Deno.test(
  { name: "ScriptFinder recognises its directory in any case on a case-insensitive file system", ignore },
  async () => {
    await using files = await tree();
    const real = disk(files.at("root"));
    const lower = (path: SitePath) => path.segments.reduce((p, name) => p.child(name.toLowerCase())!, SitePath.root);
    const blind = {
      ...filtered(real, () => true),
      stat: (path: SitePath) => real.stat(lower(path)),
      locate: (path: SitePath) => real.locate!(lower(path)),
    };
    const finder = new ScriptFinder(blind, RULES);
    assertEquals((await finder.find(contextOf("/CGI-BIN/X.SH")))?.file, files.at("root/cgi-bin/x.sh"));
  },
);

Deno.test(
  { name: "ScriptFinder below a mount has its prefix in SCRIPT_NAME, and not in PATH_INFO", ignore },
  async () => {
    await using files = await tree();
    const handler = mount("/my docs", fileServer(files.at("root"), { features: [found(RULES)], log: false }));
    await using server = site(handler);
    assertEquals(await server.ask("//my%20docs//cgi-bin/x.sh//i/"), "/my docs/cgi-bin/x.sh|//i/");
    assertEquals(await server.ask("/my%20docs/git/i"), "/my docs/git|/i");
  },
);

Deno.test(
  { name: "ScriptFinder uses a target rewritten by a layer", ignore },
  async () => {
    await using files = await tree();
    const finder = new ScriptFinder(disk(files.at("root")), RULES);
    const target = { raw: "/pretty//url", path: rulePath("/cgi-bin/x.sh/i"), slash: true, query: "" };
    assertEquals((await finder.find(contextOf("/", { target })))?.pathInfo, "/i/");
    assertEquals((await finder.find(contextOf("/", { target: { ...target, slash: false } })))?.pathInfo, "/i");
  },
);

Deno.test("ScriptFinder at the root matches every path", async () => {
  const rules = { ...DEFAULT_SCRIPT_RULES, mounts: [{ path: SitePath.root, command: ["/bin/app"] as const }] };
  const program = await new ScriptFinder(memory({}), rules).find(contextOf("/a//b/"));
  assertEquals([program?.name, program?.pathInfo, program?.documentRoot, program?.pathTranslated], [
    "",
    "/a//b/",
    null,
    null,
  ]);
});

Deno.test("ScriptFinder discloses nothing of a source without real paths", async () => {
  const finder = new ScriptFinder(memory({ "cgi-bin/x.sh": "secret", "a.txt": "a" }));
  assertEquals(await finder.find(contextOf("/a.txt")), null);
  const statusOf = (sent: string) => finder.find(contextOf(sent)).then(() => "declined", (error) => error.status);
  assertEquals(await statusOf("/cgi-bin/x.sh"), 404);
  assertEquals(await statusOf("/cgi-bin/"), 403);
});

Deno.test({ name: "an encoded slash does not bypass other refusals", ignore }, async () => {
  await using files = await tree();
  const handler = fileServer(files.at("root"), { features: [found(RULES)], log: false });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, toFetch(handler));
  const request = (host: string) => `GET /git/a%2Fb HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  assertEquals((await raw(server.addr.port, request("localhost"))).status, 200);
  assertEquals((await raw(server.addr.port, request("user@localhost"))).status, 400);
});

Deno.test({ name: "no spelling of a path discloses a program", ignore }, async () => {
  await using files = await tree();
  await using server = site(fileServer(files.at("root"), { features: [found(RULES)], log: false }));
  const parts = [
    ...[
      "cgi-bin",
      "CGI-BIN",
      "%63gi-bin",
      "cgi-bin%2f",
      "x.sh",
      "X.SH",
      "x%2esh",
      "sub",
      "y.sh",
      "other",
      "p.php",
      "p.PHP",
    ],
    ...["..", ".", "", "%2e%2e", "%2f", "linked", "link-in", "link-to-a", "source.txt", "app.php", "a.txt", "i", "%5c"],
  ];
  let random = 11;
  let programs = 0;
  for (let round = 0; round < 2000; round++) {
    let target = "";
    for (let length = 1 + round % 6; length > 0; length--) {
      random = (random * 1103515245 + 12345) & 0x7fffffff;
      target += "/" + parts[(random >> 8) % parts.length]!;
    }
    const answer = await server.ask(target);
    assert(answer !== "static secret", target);
    if (answer.includes("|")) programs++;
  }
  assert(programs > 50, `only ${programs} programs were found: the parts are badly chosen`);
});

Deno.test({ name: "ScriptFinder answers itself for paths of missing programs", ignore }, async () => {
  await using files = await tree();
  const finder = new ScriptFinder(disk(files.at("root")), RULES);
  const statusOf = (sent: string) =>
    finder.find(contextOf(sent)).then(() => "declined", (error) => error instanceof HttpError ? error.status : error);
  for (const raw of ["/cgi-bin/nothing", "/cgi-bin/a/b", "/nothing.php", "/nothing.CGI/x", "/cgi-bin/link-out"]) {
    assertEquals(await statusOf(raw), 404, raw);
  }
  for (const raw of ["/nothing", "/a.txt", "/a.txt/b", "/", "/other/", "/nothing/cgi-bin/x"]) {
    assertEquals(await statusOf(raw), "declined", raw);
  }
});

Deno.test("rulePath() accepts paths in URL notation", () => {
  assertEquals(rulePath("/a%20b//c/").text, "/a b/c");
  for (const text of ["", "a", "/..", "/%", "/a%2Fb"]) {
    let thrown: unknown;
    try {
      rulePath(text);
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof TypeError, text);
  }
});
