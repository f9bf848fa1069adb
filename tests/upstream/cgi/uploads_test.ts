/** A client that may upload cannot run code: uploads beside programs. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path/join";
import {
  cgi,
  cgiFeature,
  chain,
  disk,
  fastCgiFeature,
  type Feature,
  files,
  fileServer,
  type FileSource,
  memory,
  SitePath,
  toFetch,
  upload,
  uploadFeatures,
} from "@x/pyserve";
import { cgiContent } from "@x/pyserve/handlers";
import { writableIn } from "@x/pyserve/sources";
import { UploadPlaces } from "../../../handlers/upstream/upload_places.ts";
import { runCommand, start } from "../../support/command.ts";
import { hasProgram, missing } from "../../support/programs.ts";
import { ask } from "../../support/raw.ts";
import { type TempTree, tempTree } from "../../support/tree.ts";
import { form, namesBelow, send, type Sent } from "../../support/upload.ts";
import { run } from "./support.ts";

const ignore = Deno.build.os === "windows";

const RIGHTS = { rights: { create: true, change: true } };

Deno.test("options for programs and for writing exclude each other at start", async (t) => {
  await using tree = await tempTree({ "in/": "", "cgi-bin/": "" });
  const programs = [["--cgi"], ["--cgi-ext", ".x"], ["--cgi-map", ".x=true"], ["--cgi-mount", "/x=true"], [
    "--fastcgi",
    ".x=unix:/x",
  ]];
  for (const words of programs) {
    for (const writing of ["--upload", "--delete", "--all"]) {
      await t.step([...words, writing].join(" "), async () => {
        const { code, stderr } = await runCommand([tree.path, writing, ...words, "0"]);
        assertEquals(code, 2);
        assertStringIncludes(stderr, `Cannot use ${writing} together with ${words[0]}: programs could run or read`);
        assertStringIncludes(stderr, "--upload-beside-programs DIR");
      });
    }
  }
});

const REFUSED: readonly (readonly [places: string, words: readonly string[], code: number, says: string])[] = [
  ["/cgi-bin/in", ["--cgi"], 2, 'Cannot take uploads in "/cgi-bin/in": there are programs in "/cgi-bin"'],
  ["/cgi-bin", ["--cgi"], 2, 'there are programs in "/cgi-bin"'],
  ["/in,/deep", ["--cgi=/deep/bin"], 2, 'Cannot take uploads in "/deep": there are programs in "/deep/bin"'],
  ["/in", ["--cgi-mount", "/in/x=true"], 2, 'there are programs in "/in/x"'],
  ["/in", ["--cgi-mount", "/=true"], 2, 'there are programs in "/"'],
  ["/", ["--cgi"], 2, "the root directory cannot be a directory of programs"],
  ["//", ["--cgi"], 2, "the root directory cannot be a directory of programs"],
  ["/in/..", ["--cgi"], 2, "the root directory cannot be a directory of programs"],
  ["in", ["--cgi"], 2, "begin with a slash"],
  ["/absent", ["--cgi"], 1, 'Cannot take uploads in "/absent": there is no such directory'],
  ["/a.txt", ["--cgi"], 1, "there is no such directory"],
];

for (const [places, words, code, says] of REFUSED) {
  Deno.test(`--upload-beside-programs ${places} is refused with ${words.join(" ")}: ${says}`, async () => {
    await using tree = await tempTree({ "in/": "", "deep/bin/": "", "cgi-bin/in/": "", "a.txt": "" });
    const ended = await runCommand([tree.path, "--upload", ...words, "--upload-beside-programs", places, "0"]);
    assertEquals([ended.code, ended.stdout], [code, ""]);
    assertStringIncludes(ended.stderr, says);
  });
}

Deno.test("git's repositories are refused above and below directories that take uploads", { ignore }, async () => {
  await using tree = await tempTree({ "in/deep/": "", "git/": "" });
  await Deno.symlink("in/deep", tree.at("link"));
  for (const root of [tree.path, tree.at("in"), tree.at("in/deep"), tree.at("link")]) {
    const words = ["--cgi-mount", "/git=true", "--cgi-env", `GIT_PROJECT_ROOT=${root}`];
    const ended = await runCommand([tree.path, "--upload", ...words, "--upload-beside-programs", "/in", "0"]);
    assertEquals(ended.code, 2, root);
    assertStringIncludes(ended.stderr, "git would treat uploads there as repositories");
  }
});

Deno.test("fileServer refuses features that write beside features that run programs", () => {
  const programs: readonly Feature[] = [
    cgiFeature(),
    fastCgiFeature({ address: { transport: "unix", path: "/x" }, extensions: [".x"] }),
    { methods: [], runsPrograms: true, handler: () => () => null },
  ];
  const writing: readonly Feature[][] = [
    uploadFeatures(),
    uploadFeatures({ rights: { create: false, change: true } }),
    [{ methods: ["PUT"], abilities: ["delete"], handler: () => () => null }],
  ];
  const source = () => writable(memory({}));
  for (const program of programs) {
    for (const features of writing) {
      for (const both of [[program, ...features], [...features, program]]) {
        assertThrows(
          () => fileServer(source(), { features: both, log: false }),
          TypeError,
          "Cannot combine uploads with programs",
        );
      }
      fileServer(source(), { features: [program, ...features], log: false, uploadBesidePrograms: ["/in"] });
    }
    fileServer(source(), { features: [program], log: false });
  }
  for (const features of writing) fileServer(source(), { features, log: false });
  for (const place of ["/cgi-bin", "/cgi-bin/x", "/", "in"]) {
    const features = [cgiFeature(), ...uploadFeatures()];
    const make = () => fileServer(source(), { features, log: false, uploadBesidePrograms: [place] });
    assertThrows(make, TypeError, "uploads ");
  }
});

/** A source that claims to be writable; nothing is written. */
function writable(source: FileSource): FileSource {
  return {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    open: (path, seen, range) => source.open(path, seen, range),
    openWriter: () => Promise.reject(new Error("Nothing is to be written")),
  };
}

/** Programs of every kind, and one directory that takes uploads. */
const SITE = {
  "page.php": "<?php echo 'page';",
  "page.py": `import json; print("Content-Type: text/plain\\n"); print("page", end="")`,
  "page.ts": `import { x } from "./lib.js"; console.log("Content-Type: text/plain\\n\\n" + x);`,
  "lib.js": `export const x = "page";`,
  "cgi-bin/page": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\npage'\n",
  "sub/deep/page.php": "<?php echo 'page';",
  "sub/plain.txt": "plain",
  "in/old.txt": "old",
  "in/sub/a.txt": "a",
  "in/theirs.php": "<?php echo 'run';",
  "in/index.php": "<?php echo 'run';",
};

interface Door extends AsyncDisposable {
  readonly port: number;
}

const MAPS = { ".php": "php-cgi", ".py": "python3", ".ts": Deno.execPath() };

const DOORS: Readonly<Record<string, (root: string) => Promise<Door>>> = {
  "the command": (root) => command(root),
  "--protocol HTTP/1.0": (root) => command(root, "-p", "HTTP/1.0"),
  "two workers": (root) => command(root, "--workers", "2"),
  "fileServer": (root) => {
    const features = [cgiFeature(options()), ...uploadFeatures(RIGHTS)];
    return served(toFetch(fileServer(root, { features, log: false, uploadBesidePrograms: ["/in"] })));
  },
  "a chain written by hand": (root) => {
    const mine = { ...options(), uploads: ["/in"] };
    const content = cgiContent(disk(root), mine);
    return served(toFetch(chain(cgi(disk(root), mine), upload(writableIn(content, ["/in"]), RIGHTS), files(content))));
  },
};

function command(root: string, ...words: readonly string[]): Promise<Door> {
  const maps = Object.entries(MAPS).flatMap(([extension, program]) => {
    return ["--cgi-map", `${extension}=${program}${extension === ".ts" ? " run" : ""}`];
  });
  const more = ["--cgi", "--cgi-index", "index.php", "--upload-beside-programs", "/in"];
  return start([root, "--quiet", "--all", ...maps, ...more, ...words]);
}

function options() {
  const which = (name: string) => {
    const path = (Deno.env.get("PATH") ?? "").split(":").map((at) => `${at}/${name}`).find(isThere);
    return path ?? name;
  };
  return {
    interpreters: { ".php": [which("php-cgi")], ".py": [which("python3")], ".ts": [Deno.execPath(), "run"] },
    index: ["index.php"],
  } as const;
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function served(
  fetchFunction: (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) => unknown,
): Promise<Door> {
  const handler = fetchFunction as Deno.ServeHandler<Deno.NetAddr>;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handler);
  return Promise.resolve({ port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() });
}

const to = (path: string): Sent => ({ headers: [["Destination", path]] });

/** Attacks: uploads beside scripts, above them, and in directories that interpreters search. */
const ATTACKS: readonly (readonly [method: string, target: string, sent: Sent])[] = [
  ...[
    "php.ini",
    "json.pyc",
    "json.py",
    "json.so",
    "deno.json",
    "deno.jsonc",
    "package.json",
    "tsconfig.json",
    "Gemfile",
  ]
    .flatMap((name) =>
      ["/", "/sub/", "/sub/deep/", "/cgi-bin/"].map((at) => ["PUT", at + name, { body: "x" }] as const)
    ),
  ["PUT", "/node_modules/lib/index.js", { body: "x" }],
  ["PUT", "/__pycache__/json.cpython-311.pyc", { body: "x" }],
  ["PUT", "/sub/deep/new/x.txt", { body: "x" }],
  ["PUT", "/lib.js?on-conflict=overwrite", { body: "export const x = 'run';" }],
  ["PUT", "/page.php/x", { body: "x" }],
  ["PUT", "/IN/x.txt", { body: "x" }],
  ["PUT", "/in%2fx.txt", { body: "x" }],
  ["PATCH", "/php.ini?upload=12345678", { body: "x", headers: [["Upload-Offset", "0"], ["Upload-Complete", "?1"]] }],
  ["POST", "/", form(['name="f"; filename="php.ini"', "x"])],
  ["POST", "/sub/deep/", form(['name="f"; filename="php.ini"', "x"])],
  ["MKCOL", "/node_modules", {}],
  ["MKCOL", "/sub/deep/__pycache__", {}],
  ["MOVE", "/in/old.txt", to("/php.ini")],
  ["MOVE", "/in/old.txt", to("/in/../sub/deep/php.ini")],
  ["MOVE", "/in/sub", to("/node_modules")],
  ["MOVE", "/in", to("/node_modules")],
  ["MOVE", "/sub", to("/in/sub2")],
  ["MOVE", "/sub/plain.txt", to("/in/plain.txt")],
  ["MOVE", "/lib.js", to("/in/lib.txt")],
  ["COPY", "/in/old.txt", to("/php.ini")],
  ["COPY", "/in/old.txt", to("/in/up/php.ini")],
  ["COPY", "/in/old.txt", to("/in/copy.php")],
  ["COPY", "/in/sub", to("/node_modules")],
  // As a copy, a program would be sent.
  ["COPY", "/page.php", to("/in/page.txt")],
  ["COPY", "/page.php/x", to("/in/page.txt")],
  ["COPY", "/cgi-bin/page", to("/in/page.txt")],
  ["COPY", "/cgi-bin", to("/in/programs")],
  ["COPY", "/in/theirs.php", to("/in/theirs.txt")],
  ["COPY", "/in/up/page.php", to("/in/page.txt")],
  ["COPY", "/in/scripts/page", to("/in/page.txt")],
  ["COPY", "/link.php", to("/in/page.txt")],
  ["DELETE", "/lib.js", {}],
  ["DELETE", "/sub?recursive", {}],
  ["DELETE", "/in?recursive", {}],
  ["DELETE", "/cgi-bin?recursive", {}],
  // Through links: the path is inside /in and the file outside, or the other way round.
  ["PUT", "/in/up/php.ini", { body: "x" }],
  ["PUT", "/in/up/sub/deep/php.ini", { body: "x" }],
  ["PUT", "/in/scripts/php.ini", { body: "x" }],
  ["MKCOL", "/in/up/node_modules", {}],
  ["DELETE", "/in/up/lib.js", {}],
  ["MOVE", "/in/old.txt", to("/in/up/php.ini")],
  ["PUT", "/alias/x.txt", { body: "x" }],
  // Programs where uploads are taken.
  ["PUT", "/in/new.php", { body: "<?php echo 'run';" }],
  ["PUT", "/in/new.PHP", { body: "<?php echo 'run';" }],
  ["MOVE", "/in/old.txt", to("/in/old.php")],
];

for (const [name, open] of Object.entries(DOORS)) {
  Deno.test({
    name: `${name}: uploads stay in their directory, and nothing there runs`,
    ignore: ignore || missing("php-cgi", "python3"),
    async fn(t) {
      await using tree = await siteTree();
      await using door = await open(tree.path);
      const before = await namesBelow(tree.path);
      for (const [method, target, sent] of ATTACKS) {
        const { status, text } = await send(door.port, method, target, sent);
        const byProgram = status === 200 && text === "page"; // which gets it as PATH_INFO
        assert([400, 403, 404, 405].includes(status) || byProgram, `${method} ${target}: ${status}`);
        assertEquals(await namesBelow(tree.path), before, `${method} ${target}`);
      }
      await t.step("programs answer as before", async () => {
        for (const path of ["/page.php", "/page.py", "/page.ts", "/cgi-bin/page", "/sub/deep/page.php"]) {
          assertEquals((await ask(door.port, "GET", path)).text.trim(), "page", path);
        }
      });
      await t.step("a copy of a directory is one without its programs", async () => {
        assertEquals((await send(door.port, "COPY", "/sub", to("/in/copy"))).status, 201);
        const names = await namesBelow(tree.at("in/copy"));
        assertEquals(names.filter((name) => /\.(php|py|ts)$/.test(name)), []);
        assert(names.includes("plain.txt"), names.join());
        assertEquals((await send(door.port, "DELETE", "/in/copy?recursive")).status, 204);
      });
      await t.step("nothing runs in a directory that takes uploads, nor is source code sent", async () => {
        const paths = ["/in/theirs.php", "/in/theirs.php/x", "/in/index.php", "/in/up/page.php"];
        for (const path of [...paths, "/alias/theirs.php", "/link.php"]) {
          const { status, text } = await ask(door.port, "GET", path);
          assertEquals([path, status], [path, 403]);
          assert(!text.includes("echo"), text);
        }
        const index = await ask(door.port, "GET", "/in/");
        assert(!index.text.includes("echo") && !index.text.includes("run'"), index.text);
      });
      await t.step("uploads are accepted there", async () => {
        assertEquals((await send(door.port, "PUT", "/in/new.txt", { body: "x" })).status, 201);
        assertEquals((await send(door.port, "PUT", "/in/made/new.txt", { body: "x" })).status, 201);
        assertEquals((await send(door.port, "MOVE", "/in/made", to("/in/moved"))).status, 201);
        assertEquals((await send(door.port, "POST", "/in/", form(['name="f"; filename="f.txt"', "x"]))).status, 201);
        assertEquals((await send(door.port, "DELETE", "/in/moved?recursive", {})).status, 204);
        assertEquals((await ask(door.port, "GET", "/in/new.txt")).text, "x");
      });
    },
  });
}

async function siteTree(): Promise<TempTree> {
  const tree = await tempTree(SITE);
  await Deno.chmod(tree.at("cgi-bin/page"), 0o755);
  await Deno.symlink("..", tree.at("in/up"));
  await Deno.symlink("../cgi-bin", tree.at("in/scripts"));
  await Deno.symlink("in", tree.at("alias"));
  await Deno.symlink("in/theirs.php", tree.at("link.php"));
  return tree;
}

Deno.test({
  name: "an uploaded program is neither passed to an application nor sent",
  ignore,
  async fn() {
    await using tree = await siteTree();
    const features = [
      fastCgiFeature({ address: { transport: "unix", path: tree.at("none") }, extensions: [".php"] }),
      ...uploadFeatures(RIGHTS),
    ];
    const log = { access() {}, error() {} };
    const server = fileServer(tree.path, { features, log: false, uploadBesidePrograms: ["/in"] });
    await using door = await served(toFetch(server, { log }));
    assertEquals((await ask(door.port, "GET", "/page.php")).status, 502); // nothing listens there
    for (const path of ["/in/theirs.php", "/in/theirs.php/x", "/alias/theirs.php", "/link.php"]) {
      assertEquals([path, (await ask(door.port, "GET", path)).status], [path, 403]);
    }
    assertEquals((await send(door.port, "PUT", "/php.ini", { body: "x" })).status, 403);
    assertEquals((await send(door.port, "PUT", "/in/new.php", { body: "x" })).status, 404); // as any program that is not there
    assertEquals((await send(door.port, "PUT", "/in/new.txt", { body: "x" })).status, 201);
  },
});

/** Files beside a script that would be run or obeyed. */
const BESIDE = {
  "php.ini": "auto_prepend_file=TREE/note.txt\n",
  ".user.ini": "auto_append_file=TREE/note.txt\n",
  "note.txt": "<?php echo 'beside';",
  "json.py": "print('beside')",
  "deno.json": `{"imports":{"./lib.js":"./evil.js"}}`,
  "evil.js": `export const x = "beside";`,
};

Deno.test({
  name: "beside uploads, interpreters ignore files beside a script",
  ignore: ignore || missing("php-cgi", "python3"),
  async fn() {
    await using tree = await tempTree({ ...SITE, "in/": "" });
    for (const [name, text] of Object.entries(BESIDE)) {
      await Deno.writeTextFile(tree.at(name), text.replace("TREE", tree.path));
    }
    await using obeyed = await served(toFetch(cgi(disk(tree.path), options())));
    await using ignored = await served(toFetch(cgi(disk(tree.path), { ...options(), uploads: ["/in"] })));
    for (const path of ["/page.php", "/page.py", "/page.ts"]) {
      assertStringIncludes((await ask(obeyed.port, "GET", path)).text, "beside", path);
      assertEquals((await ask(ignored.port, "GET", path)).text.trim(), "page", path);
    }
    const env = { PYTHONSAFEPATH: "" };
    await using given = await served(toFetch(cgi(disk(tree.path), { ...options(), uploads: ["/in"], env })));
    assertStringIncludes((await ask(given.port, "GET", "/page.py")).text, "beside");
  },
});

Deno.test("places that take uploads are recognised in any spelling, and unresolvable ones count, too", async () => {
  await using tree = await tempTree({ "in/a": "", "other/": "" });
  await Deno.symlink("in", tree.at("alias"));
  const places = new UploadPlaces(disk(tree.path), [SitePath.root.child("in")!]);
  const holds = ["/in", "/in/a", "/IN/A", "/alias/a", "/alias/absent", "//in", "/./in/x", "/other/../in", "/in\0"];
  for (const path of holds) assertEquals([path, await places.leadInto(path)], [path, true]);
  for (const path of ["", "/", "/other/x", "/inner", "/absent/in"]) {
    assertEquals([path, await places.leadInto(path)], [path, false]);
  }
});

const GIT_BACKEND = "/usr/lib/git-core/git-http-backend";

Deno.test({
  name: "an uploaded repository is not served, however git's root is configured",
  ignore: ignore || !hasProgram("git") || !isThere(GIT_BACKEND),
  async fn() {
    await using tree = await tempTree({ "in/": "", "git/": "" });
    for (const place of ["in", "git"]) await run("git", ["init", "-q", "--bare", tree.at(`${place}/r.git`)]);
    await Deno.symlink("in", tree.at("alias"));
    const refs = async (env: Record<string, string>, path: string, uploads = ["/in"]) => {
      const options = { mounts: { "/": [GIT_BACKEND] }, env: { GIT_HTTP_EXPORT_ALL: "1", ...env }, uploads } as const;
      const mine = uploads.length > 0 ? { ...options, mounts: { "/run": options.mounts["/"] } } : options;
      const prefix = uploads.length > 0 ? "/run" : "";
      await using door = await served(toFetch(cgi(disk(tree.path), mine)));
      return (await ask(door.port, "GET", `${prefix}${path}/r.git/info/refs?service=git-upload-pack`)).status;
    };
    // By PATH_TRANSLATED.
    assertEquals(await refs({}, "/in", []), 200);
    assertEquals(await refs({}, "/git"), 200);
    for (const path of ["/in", "/alias", "/git%2f..%2fin", "/git/..%2fin", "/.%2fin", "//in", "/IN"]) {
      assert(await refs({}, path) !== 200, path);
    }
    // By GIT_PROJECT_ROOT.
    assertEquals(await refs({ GIT_PROJECT_ROOT: tree.at("git") }, ""), 200);
    assertEquals(await refs({ GIT_PROJECT_ROOT: tree.path }, "/git"), 500);
    assertEquals(await refs({ GIT_PROJECT_ROOT: join(tree.path, "alias") }, ""), 500);
  },
});
