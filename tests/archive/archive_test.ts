/** Archives, unpacked with common programs. */

import { blockedSize } from "../../handlers/archive/blocks.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  archive,
  archives,
  disk,
  fileServer,
  type FileSource,
  filtered,
  memory,
  mount,
  serve,
  toFetch,
  uploadFeatures,
} from "@x/pyserve";
import type { ArchiveOptions } from "@x/pyserve/handlers";
import { attachment } from "@x/pyserve/http";
import { type FileStat, isVisible } from "@x/pyserve/sources";
import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { EINTR, EMFILE, ENOSYS, EPERM } from "../../handlers/system/libc.ts";
import { tarHeader } from "../../handlers/archive/tar.ts";
import { clockAhead } from "../support/clock.ts";
import { start } from "../support/command.ts";
import { failing } from "../support/failing.ts";
import { missing } from "../support/programs.ts";
import { settleTimes, type TempTree, tempTree } from "../support/tree.ts";
import { delay, until } from "../support/wait.ts";
import { watched } from "../support/watched.ts";

const WINDOWS = Deno.build.os === "windows";
const FORMATS = ["zip", "tar", "tar.gz"] as const;
const SILENT = { log: { access() {}, error() {} } };

function ask(source: FileSource, target: string, init: RequestInit = {}, options: ArchiveOptions = {}) {
  return Promise.resolve(toFetch(archive(source, options), SILENT)(new Request(`http://localhost${target}`, init)));
}

/** Runs a program that must succeed; returns its output. */
async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, env: { LC_ALL: "C.UTF-8" } }).output();
  const text = new TextDecoder();
  assert(success, `${program} ${args.join(" ")}: ${text.decode(stdout)}${text.decode(stderr)}`);
  return text.decode(stdout);
}

interface Unpacker {
  readonly program: string;
  readonly format: string;
  args(file: string, directory: string): string[];
}

const PYTHON_TAR = "import tarfile,sys; tarfile.open(sys.argv[1]).extractall(sys.argv[2])";
const UNPACKERS: readonly Unpacker[] = [
  { program: "unzip", format: "zip", args: (file, directory) => ["-q", file, "-d", directory] },
  { program: "bsdtar", format: "zip", args: (file, directory) => ["-xf", file, "-C", directory] },
  { program: "python3", format: "zip", args: (file, directory) => ["-m", "zipfile", "-e", file, directory] },
  { program: "tar", format: "tar", args: (file, directory) => ["-xf", file, "-C", directory] },
  { program: "bsdtar", format: "tar", args: (file, directory) => ["-xf", file, "-C", directory] },
  { program: "python3", format: "tar", args: (file, directory) => ["-c", PYTHON_TAR, file, directory] },
  { program: "tar", format: "tar.gz", args: (file, directory) => ["-xzf", file, "-C", directory] },
];

/** Everything below a directory: kind, content, and the metadata that programs preserve. */
async function contentsOf(directory: string, { metadata = true } = {}): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (path: string, name: string) => {
    const info = await Deno.stat(path);
    if (info.isDirectory) {
      if (name) found[`${name}/`] = "";
      for await (const entry of Deno.readDir(path)) await visit(`${path}/${entry.name}`, `${name}/${entry.name}`);
      return;
    }
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex();
    const kept = metadata ? ` ${(info.mode! & 0o111) !== 0} ${Math.floor(info.mtime!.getTime() / 1000)}` : "";
    found[name] = sum + kept;
  };
  await visit(directory, "");
  return found;
}

async function download(source: FileSource, target: string, file: string): Promise<Response> {
  const response = await ask(source, target);
  assertEquals(response.status, 200);
  await Deno.writeFile(file, response.body!);
  return response;
}

const LONG = "a".repeat(60);

/** Unusual but valid names; no two differ in case only, since some file systems ignore case. */
async function oddTree(): Promise<TempTree> {
  const tree = await tempTree({
    "site/a.txt": "hello",
    "site/empty": "",
    "site/empty directory/": "",
    "site/ünï/cödé ☂.txt": "umbrella",
    [`site/${LONG}/${LONG}/${LONG}/${LONG}/${LONG}.txt`]: "deep",
    [`site/${LONG}/${LONG}/ü${LONG}`]: "deep and not ASCII",
    "site/-rf": "no option",
    "site/'quoted' & #1.txt": "x".repeat(511),
    "site/block": "x".repeat(512),
    "site/large": crypto.getRandomValues(new Uint8Array(60_000)),
    "site/larger": new Uint8Array(700_001).fill(7),
    "site/run.sh": "#!/bin/sh\n",
    "unpacked/": "",
  });
  if (!WINDOWS) await Deno.chmod(tree.at("site/run.sh"), 0o750);
  await settleTimes(tree.at("site/a.txt"), 1_000_000_001);
  return tree;
}

for (const { program, format, args } of UNPACKERS) {
  Deno.test({
    name: `${program} unpacks .${format} to what was packed`,
    ignore: WINDOWS || missing(program),
    async fn() {
      await using tree = await oddTree();
      const file = tree.at(`site.${format}`);
      await download(disk(tree.path), `/site/?archive=${format}`, file);
      await run(program, ...args(file, tree.at("unpacked")));
      // Python's zipfile restores neither permissions nor times.
      const metadata = !(program === "python3" && format === "zip");
      const [packed, unpacked] = [
        await contentsOf(tree.at("site"), { metadata }),
        await contentsOf(tree.at("unpacked/site"), { metadata }),
      ];
      assertEquals(unpacked, packed);
      assertEquals([...Deno.readDirSync(tree.at("unpacked"))].map(({ name }) => name), ["site"]);
    },
  });
}

Deno.test({
  name: "programs that test archives accept 5,000 files",
  ignore: WINDOWS || missing("unzip", "python3", "tar"),
  async fn() {
    const files = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, i) => [`many/d${i % 50}/f${i}.txt`, `text ${i}`]),
    );
    await using tree = await tempTree({ "out/": "" });
    const source = memory(files);
    const zip = tree.at("out/many.zip");
    const response = await download(source, "/many/?archive=zip", zip);
    assertEquals((await Deno.stat(zip)).size, Number(response.headers.get("content-length")));
    assertStringIncludes(await run("unzip", "-tq", zip), "No errors");
    assertStringIncludes(await run("python3", "-m", "zipfile", "-t", zip), "Done testing");
    const names = (await run("unzip", "-Z1", zip)).trim().split("\n").filter((name) => !name.endsWith("/"));
    assertEquals(names.toSorted(), Object.keys(files).toSorted());
    for (const format of ["tar", "tar.gz"]) {
      await download(source, `/many/?archive=${format}`, tree.at("out/many.tar"));
      const listed = (await run("tar", "-tf", tree.at("out/many.tar"))).trim().split("\n");
      assertEquals(listed.length, 5_000 + 51, format);
    }
  },
});

/** The names in an archive, in order, as Python sees them. */
async function namesIn(source: FileSource, target: string): Promise<string[]> {
  await using tree = await tempTree();
  await download(source, target, tree.at("file"));
  const read = target.includes("=zip") ? "zipfile.ZipFile(f).namelist()" : "tarfile.open(f).getnames()";
  return JSON.parse(
    await run(
      "python3",
      "-c",
      `import zipfile,tarfile,json,sys;f=sys.argv[1];print(json.dumps(${read}))`,
      tree.at("file"),
    ),
  );
}

/** What an archive reports as left out. */
async function reportIn(source: FileSource, target: string): Promise<string[]> {
  await using tree = await tempTree();
  await download(source, target, tree.at("file.zip"));
  const text = await run("unzip", "-p", tree.at("file.zip"), "* (left out).txt");
  return text.split("\n").slice(2, -1);
}

Deno.test({
  name: "archive() packs in natural order, and only the named entries if there are any",
  ignore: missing("python3"),
  async fn() {
    const site = memory({ "d/f10": "", "d/f2": "", "d/sub/x": "", "d/sub/y": "", "d/é/z": "" });
    for (const format of ["zip", "tar"]) {
      const slash = format === "zip" ? "/" : "";
      const all = [`d${slash}`, `d/é${slash}`, "d/é/z", `d/sub${slash}`, "d/sub/x", "d/sub/y", "d/f2", "d/f10"];
      assertEquals(await namesIn(site, `/d/?archive=${format}`), all);
      const some = await namesIn(site, `/d/?archive=${format}&name=f10&name=sub&name=f10`);
      assertEquals(some, [`d${slash}`, "d/f10", `d/sub${slash}`, "d/sub/x", "d/sub/y"]);
      assertEquals(await namesIn(site, `/d/?archive=${format}&name=%C3%A9`), [`d${slash}`, `d/é${slash}`, "d/é/z"]);
      const below = await namesIn(site, `/d/?archive=${format}&name=sub/y&name=é/z&name=f2&name=sub/x`);
      assertEquals(below, [`d${slash}`, `d/sub${slash}`, "d/sub/y", "d/sub/x", `d/é${slash}`, "d/é/z", "d/f2"]);
      for (const both of ["name=sub&name=sub/y", "name=sub/y&name=sub"]) {
        const whole = await namesIn(site, `/d/?archive=${format}&${both}`);
        assertEquals(whole, [`d${slash}`, `d/sub${slash}`, "d/sub/x", "d/sub/y"], both);
      }
    }
  },
});

Deno.test("archive() refuses unknown formats, invalid names, and names that are not entries of the directory", async () => {
  const site = memory({ "d/a": "", "b": "", "d/sub/x": "" });
  const rows = [["/d/?archive=rar", 400], ["/d/?archive", 400], ["/d/?archive=zip&name=b", 404]] as const;
  for (const [target, status] of rows) assertEquals((await ask(site, target)).status, status, target);
  for (
    const name of ["..", "../b", "", ".", "a/../../b", "%00", "%2e%2e%2fb", "a/x", "sub/", "/a", "sub//x", "sub/none"]
  ) {
    assertEquals((await ask(site, `/d/?archive=zip&name=${name}`)).status, 404, name);
  }
  const { status } = await ask(site, "/d/?archive=zip", { method: "POST" });
  assertEquals([status, (await ask(site, "/b?archive=zip")).status, (await ask(site, "/d/")).status], [415, 404, 404]);
});

Deno.test({
  name: "names that are unsafe to unpack are left out and reported",
  ignore: WINDOWS || missing("unzip", "python3"),
  async fn() {
    await using tree = await tempTree({ "d/good": "" });
    const bad = ["a\\b", "..\\evil", "new\nline", "\x1b[2J", "\x7f"];
    for (const name of bad) await Deno.writeTextFile(`${tree.path}/d/${name}`, "");
    const source = disk(tree.path);
    assertEquals(await namesIn(source, "/d/?archive=zip"), ["d/", "d/good", "d (left out).txt"]);
    const report = await reportIn(source, "/d/?archive=zip");
    assertEquals(report.length, bad.length);
    assert(report.every((line) => line.endsWith(": name is unsafe to extract")), report.join("\n"));
    assert(report.includes("d/new<U+000A>line: name is unsafe to extract"));
    // Requesting one by name does not make it safer.
    assertEquals(await namesIn(source, "/d/?archive=tar&name=a%5Cb"), ["d", "d (left out).txt"]);
  },
});

Deno.test({
  name: "a directory with a name that is not safe is called files",
  ignore: missing("python3"),
  async fn() {
    for (const name of ["a\\b", "C:", "line\n"]) {
      const site = memory({ [`${name}/x`]: "" });
      assertEquals(await namesIn(site, `/${encodeURIComponent(name)}/?archive=zip`), ["files/", "files/x"]);
    }
    assertEquals(await namesIn(memory({ "x": "" }), "/?archive=tar"), ["files", "files/x"]);
  },
});

Deno.test({
  name: "hidden files, links out of the root, broken links and FIFOs stay out; links inside are followed, loops end",
  ignore: WINDOWS || missing("unzip", "python3"),
  async fn() {
    await using tree = await tempTree({
      "root/d/a": "a",
      "root/d/.hidden": "secret",
      "root/d/.git/config": "secret",
      "root/d/sub/b": "b",
      "root/other/c": "c",
      "root-secret/s": "secret",
    });
    const links = {
      "root/d/file-in": "../other/c",
      "root/d/dir-in": "../other",
      "root/d/out": "../../root-secret",
      "root/d/out-file": "../../root-secret/s",
      "root/d/etc": "/etc",
      "root/d/broken": "nowhere",
      "root/d/self": "self",
      "root/d/sub/up": "..",
      "root/d/sub/here": ".",
      "root/other/back": "../d",
    };
    for (const [path, target] of Object.entries(links)) await Deno.symlink(target, tree.at(path));
    await run("mkfifo", tree.at("root/d/fifo"));
    const source = filtered(disk(tree.at("root")), isVisible);
    assertEquals(await namesIn(source, "/d/?archive=zip"), [
      "d/",
      "d/dir-in/",
      "d/dir-in/c",
      "d/sub/",
      "d/sub/b",
      "d/a",
      "d/file-in",
      "d (left out).txt",
    ]);
    assertEquals(await reportIn(source, "/d/?archive=zip"), [
      "d/dir-in/back/: link to a parent directory",
      "d/sub/here/: link to a parent directory",
      "d/sub/up/: link to a parent directory",
      "d/broken: broken link",
      "d/etc: broken link",
      "d/fifo: special file",
      "d/out: broken link",
      "d/out-file: broken link",
      "d/self: broken link",
    ]);
    for (const name of [".hidden", ".git", "out", "etc", "out-file", ".git/config", "etc/passwd", "out/x"]) {
      assertEquals((await ask(source, `/d/?archive=zip&name=${name}`)).status, 404, name);
    }
  },
});

Deno.test({
  name: "files and directories that may not be read are left out before the transfer begins",
  ignore: missing("unzip", "python3"),
  async fn() {
    const inner = memory({ "d/a": "a", "d/no": "n", "d/secret/x": "x" });
    const source: FileSource = {
      async stat(path) {
        const stat = await inner.stat(path);
        return stat && { ...stat, mode: path.name === "no" ? 0o600 : 0o644 };
      },
      async *list(path) {
        if (path.name === "secret") throw new Deno.errors.PermissionDenied();
        for (const slice of await inner.list(path) as Iterable<readonly { name: string }[]>) {
          yield await Promise.all(slice.map(async ({ name }) => {
            return { name, stat: await this.stat(path.child(name)!), link: false, problem: null };
          }));
        }
      },
      open(path, seen) {
        if (path.name === "no") throw new Deno.errors.PermissionDenied();
        return inner.open(path, seen);
      },
    };
    assertEquals(await namesIn(source, "/d/?archive=tar"), ["d", "d/a", "d (left out).txt"]);
    assertEquals(await reportIn(source, "/d/?archive=zip"), ["d/secret/: not readable", "d/no: not readable"]);
  },
});

Deno.test("HEAD says what GET would send, and an unchanged archive is not sent again", async () => {
  const site = memory({ "d/a": "a".repeat(100_000), "d/b": "b" });
  for (const format of FORMATS) {
    const target = `/d/?archive=${format}`;
    const [head, get] = [await ask(site, target, { method: "HEAD" }), await ask(site, target)];
    const bytes = await get.bytes();
    assertEquals([head.status, [...head.headers], head.body], [200, [...get.headers], null]);
    assertEquals(get.headers.get("content-disposition"), `attachment; filename="d.${format}"`);
    if (format === "tar.gz") continue;
    assertEquals(Number(get.headers.get("content-length")), bytes.length);
    const etag = get.headers.get("etag")!;
    assert(etag.startsWith('"'));
    assertEquals((await ask(site, target, { headers: { "if-none-match": etag } })).status, 304);
  }
});

Deno.test("an answer without a body gives its place to the next", async () => {
  const fetch = toFetch(archive(memory({ "d/a": "a" }), { maxAtOnce: 1, queueTimeout: 0 }));
  const ask = (format: string, init: RequestInit = {}) =>
    fetch(new Request(`http://localhost/d/?archive=${format}`, init));
  for (const format of ["zip", "tar", "tgz"]) assertEquals((await ask(format, { method: "HEAD" })).status, 200, format);
  const whole = await ask("zip");
  await whole.bytes();
  const headers = { "if-none-match": whole.headers.get("etag")! };
  for (let i = 0; i < 2; i++) assertEquals((await ask("zip", { headers })).status, 304);
});

Deno.test({
  name: "directories that look the same but differ have different tags and checksums",
  ignore: missing("unzip"),
  async fn() {
    await using tree = await tempTree();
    const fetch = toFetch(archive(memory({ "d/x": "one", "e/d/x": "two" })));
    const tags = new Set<string | null>();
    for (const target of ["/d/", "/e/d/"]) {
      const response = await fetch(new Request(`http://localhost${target}?archive=zip`));
      tags.add(response.headers.get("etag"));
      await Deno.writeFile(tree.at("file.zip"), response.body!);
      assertStringIncludes(await run("unzip", "-tq", tree.at("file.zip")), "No errors");
    }
    assertEquals(tags.size, 2);
  },
});

Deno.test("any range of an archive is that part of the whole, even without a request for the beginning", async () => {
  const site = memory({
    "d/a": crypto.getRandomValues(new Uint8Array(3_000)),
    "d/sub/b": crypto.getRandomValues(new Uint8Array(60_000)),
    "d/sub/empty": "",
    "d/x": crypto.getRandomValues(new Uint8Array(40_000)),
    "d/ü": "u",
  }, { modified: Date.UTC(2020, 1, 3, 4, 5, 7) });
  for (const format of ["zip", "tar"]) {
    const target = `/d/?archive=${format}`;
    const whole = await (await ask(site, target)).bytes();
    const fetch = toFetch(archive(site));
    for (let turn = 0; turn < 60; turn++) {
      const start = Math.floor(Math.random() * whole.length);
      const end = Math.min(whole.length, start + 1 + Math.floor(Math.random() ** 3 * whole.length));
      const init = { headers: { range: `bytes=${start}-${end - 1}` } };
      // With a handler that has sent nothing before, and with one that has.
      const response =
        await (turn % 2 === 0 ? ask(site, target, init) : fetch(new Request(`http://localhost${target}`, init)));
      assertEquals(response.status, 206);
      assertEquals(await response.bytes(), whole.slice(start, end), `${format} ${start}-${end}`);
    }
    const several = await ask(site, target, { headers: { range: "bytes=50000-50009,5-9,-22" } });
    const text = new TextDecoder("latin1");
    const body = text.decode(await several.bytes());
    for (const part of [whole.slice(50_000, 50_010), whole.slice(5, 10), whole.slice(-22)]) {
      assertStringIncludes(body, text.decode(part));
    }
    assertEquals((await ask(site, target, { headers: { range: `bytes=${whole.length}-` } })).status, 416);
  }
});

Deno.test({
  name: "a broken download is resumed while nothing has changed, and begun anew where something has",
  ignore: WINDOWS,
  async fn() {
    await using tree = await tempTree({ "d/a": "a".repeat(200_000), "d/b": "b".repeat(1000) });
    for (const name of ["d/a", "d/b", "d"]) await settleTimes(tree.at(name));
    const site = disk(tree.path);
    let headers: Record<string, string>;
    {
      using _clock = clockAhead(); // for a strong tag
      const response = await ask(site, "/d/?archive=zip");
      const whole = await response.bytes();
      headers = { range: "bytes=150000-", "if-range": response.headers.get("etag")! };
      const rest = await ask(site, "/d/?archive=zip", { headers });
      assertEquals([rest.status, await rest.bytes()], [206, whole.slice(150_000)]);
    }
    await Deno.writeTextFile(tree.at("d/b"), "c".repeat(1000));
    const anew = await ask(site, "/d/?archive=zip", { headers });
    await anew.body?.cancel();
    assertEquals([anew.status, anew.headers.get("etag")], [200, null]);
  },
});

Deno.test({
  name: "an archive is the same where calls of the system fail",
  ignore: FILE_CALLS === null,
  async fn() {
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d/${i}`, "x".repeat(i * 5_000)]));
    await using tree = await tempTree(files);
    for (const name of Object.keys(files)) await settleTimes(tree.at(name));
    await settleTimes(tree.at("d"));
    const pack = async () => await (await ask(disk(tree.path), "/d/?archive=zip")).bytes();
    const expected = await pack();
    for (const name of ["statx", "preadv2", "openat2", "getdents64"]) {
      for (const errno of [EINTR, EMFILE, ENOSYS, EPERM]) {
        for (const every of [1, 3]) {
          if (errno === EINTR && every === 1) continue; // interrupted for ever
          using failed = failing(FILE_CALLS!, name, errno, (call) => call % every === 0);
          assertEquals(await pack(), expected, `${name}, error ${errno}`);
          assert(failed.count > 0);
        }
      }
    }
  },
});

type Change = readonly [name: string, change: (file: string) => Promise<void> | void];

const CHANGES: readonly Change[] = [
  ["shrinks", (file) => Deno.truncate(file, 10)],
  ["vanishes", (file) => Deno.remove(file)],
  ["is written to", (file) => Deno.writeTextFile(file, "y".repeat(700_000))],
  ["becomes a directory", async (file) => {
    await Deno.remove(file);
    await Deno.mkdir(file);
  }],
];

for (const [name, change] of CHANGES) {
  for (const format of FORMATS) {
    Deno.test({
      name: `a file that ${name} before its turn breaks off the .${format}`,
      ignore: WINDOWS,
      async fn() {
        await using tree = await tempTree({ "d/a": "a".repeat(700_000), "d/b": "b".repeat(700_000), "d/c": "c" });
        await settleTimes(tree.at("d/b")); // a change within the same tick of the file system's clock would go unnoticed
        let changed: Promise<void> | void = undefined;
        const source = watched(disk(tree.path), {
          opening: ({ name }) => {
            if (name === "a") changed = change(tree.at("d/b"));
          },
          read: () => changed,
        });
        await assertBreaks(source, `/d/?archive=${format}`);
        assertEquals(source.openFiles(), 0);
      },
    });
  }
}

for (const [name, change] of CHANGES.filter(([name]) => name === "shrinks" || name === "is written to")) {
  Deno.test({
    name: `a file that ${name} while it is read breaks off the archive`,
    ignore: WINDOWS,
    async fn() {
      await using tree = await tempTree({ "d/a": "a".repeat(700_000) });
      await settleTimes(tree.at("d/a"));
      for (const format of FORMATS) {
        for (const size of [700_000, 17_000_000]) { // a zip has them in different forms
          await Deno.writeTextFile(tree.at("d/a"), "a".repeat(size));
          await settleTimes(tree.at("d/a"));
          let changed: Promise<void> | void;
          await assertBreaks(
            watched(disk(tree.path), { read: () => changed ??= change(tree.at("d/a")) }),
            `/d/?archive=${format}`,
          );
        }
      }
    },
  });
}

Deno.test("a file that cannot be read to its end breaks off the archive, and the log names it", async () => {
  const source = watched(memory({ "d/a": "a".repeat(70_000) }), {
    read: () => Promise.reject(new Error("Input/output error")),
  });
  const logged: string[] = [];
  const log = { access() {}, error: (message: string, cause: unknown) => void logged.push(`${message}: ${cause}`) };
  const fetch = toFetch(archive(source), { log });
  const response = await fetch(new Request("http://localhost/d/?archive=tar"));
  await assertRejects(() => response.bytes(), Error);
  assertEquals(logged, ["Aborted the archive of /d/?archive=tar at /d/a: Error: Input/output error"]);
});

Deno.test("a file that ends early without other signs of change breaks off the archive", async () => {
  const whole = memory({ "d/a": "a".repeat(200_000) });
  const short: FileSource = {
    stat: (path) => whole.stat(path),
    list: (path) => whole.list(path),
    open: () => ({ read: (offset) => offset > 0 ? 0 : 1000, [Symbol.dispose]() {} }),
  };
  for (const format of FORMATS) await assertBreaks(short, `/d/?archive=${format}`);
});

/** Sends the request over a socket, where a body that ends early must not look complete. */
async function assertBreaks(source: FileSource, target: string): Promise<void> {
  const server = serve(toFetch(archive(source), SILENT), { hostname: "127.0.0.1", port: 0 });
  try {
    const response = await fetch(`http://127.0.0.1:${server.address.port}${target}`);
    assertEquals(response.status, 200);
    await assertRejects(() => response.bytes(), Error);
  } finally {
    await server.abort();
  }
}

Deno.test("when a client disconnects, its file is closed and its slot goes to the next", async () => {
  const endless = watched(sparse(8 * 2 ** 30));
  const handler = archive(endless, { maxAtOnce: 1, queueTimeout: 0 });
  const server = serve(toFetch(handler, SILENT), { hostname: "127.0.0.1", port: 0 });
  for (const format of FORMATS) {
    const url = `http://127.0.0.1:${server.address.port}/?archive=${format}`;
    // The slot of the one before is free a moment after its file is closed.
    let first = await fetch(url);
    await until(async () => {
      if (first.status === 200) return true;
      await first.body?.cancel();
      first = await fetch(url);
      return false;
    });
    const reader = first.body!.getReader();
    await reader.read();
    assertEquals(endless.openFiles(), 1);
    const busy = await fetch(url);
    assertEquals([busy.status, busy.headers.get("retry-after")], [503, "1"]);
    await busy.body?.cancel();
    await reader.cancel();
    await endless.untilClosed();
  }
  await server.abort();
  await delay(0); // a turn of the packer that had begun before the client disconnected
});

Deno.test("a client that stops reading is disconnected, and its slot goes to the next", async () => {
  // What is compressed well takes long to fill the buffers of a connection.
  const endless = watched(sparse(8 * 2 ** 30, crypto.getRandomValues(new Uint8Array(65_536))));
  const logged = Promise.withResolvers<string>();
  const log = { access() {}, error: logged.resolve };
  const handler = archive(endless, { maxAtOnce: 1, stallTimeout: 300, queueTimeout: 10_000 });
  const server = serve(toFetch(handler, { log }), { hostname: "127.0.0.1", port: 0 });
  for (const format of FORMATS) {
    const target = `/?archive=${format}`;
    using silent = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await silent.write(new TextEncoder().encode(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    await silent.read(new Uint8Array(1)); // it has its place
    const next = await fetch(`http://127.0.0.1:${server.address.port}${target}`);
    assertEquals(next.status, 200);
    const reader = next.body!.getReader();
    do await reader.read(); while (endless.openFiles() === 0); // the first bytes are sent before the file is opened
    await reader.cancel();
    await endless.untilClosed();
  }
  assertEquals(await logged.promise, "Aborted the archive of /?archive=zip: the client has stopped reading");
  await server.abort();
});

Deno.test("one client gets a quarter of the slots for archives, also through a proxy", async () => {
  const endless = watched(sparse(8 * 2 ** 30));
  const fetch = toFetch(archive(endless, { queueTimeout: 0 }), SILENT);
  const ask = (client: string, forwarded?: string) => {
    const headers = new Headers({ host: "localhost", ...forwarded && { "x-forwarded-for": forwarded } });
    const remoteAddr = { transport: "tcp", hostname: client, port: 1 } as const;
    return fetch(new Request("http://localhost/?archive=zip", { headers }), { remoteAddr });
  };
  const sent = await Promise.all(Array(6).fill("192.0.2.1").map((client) => ask(client)));
  assertEquals(sent.map(({ status }) => status), [200, 200, 200, 200, 429, 429]);
  const others = await Promise.all([ask("192.0.2.2"), ask("127.0.0.1", "192.0.2.3"), ask("127.0.0.1", "192.0.2.1")]);
  assertEquals(others.map(({ status }) => status), [200, 200, 429]);
  await Promise.all([...sent, ...others].map(({ body }) => body?.cancel()));
  await endless.untilClosed();
});

/** A source with a file of any size, of zeros or of the same noise over and over, and a small one after it. */
function sparse(size: number, noise = new Uint8Array()): FileSource {
  const describe = (size: number, kind: "file" | "directory" = "file"): FileStat => {
    return { kind, size, modified: 0, version: String(size), stable: true };
  };
  const stats = new Map([["/", describe(0, "directory")], ["/a.bin", describe(size)], ["/b.txt", describe(5)]]);
  return {
    stat: ({ text }) => stats.get(text) ?? null,
    list:
      () => [["a.bin", "b.txt"].map((name) => ({ name, stat: stats.get(`/${name}`)!, link: false, problem: null }))],
    open: (_path, seen) => ({
      read(offset, into) {
        into.set(noise.subarray(0, into.length)); // a new buffer is all zeros
        return Math.max(0, Math.min(into.length, seen.size - offset));
      },
      [Symbol.dispose]() {},
    }),
  };
}

Deno.test({
  name: "a file of more than 4 GiB, and one after it, are found in a zip by its 64-bit fields",
  ignore: WINDOWS || missing("python3", "unzip"),
  async fn() {
    await using tree = await tempTree();
    const size = 2 ** 32 + 12_345;
    const source = sparse(size);
    const head = await ask(source, "/?archive=zip", { method: "HEAD" });
    const total = Number(head.headers.get("content-length"));
    // All but the first and the last kilobyte is zeros: a hole in the file stands for it.
    using file = await Deno.open(tree.at("large.zip"), { write: true, create: true });
    for (const [start, end] of [[0, 1024], [total - 1024, total]] as const) {
      const headers = { range: `bytes=${start}-${end - 1}` };
      await file.seek(start, Deno.SeekMode.Start);
      await file.write(await (await ask(source, "/?archive=zip", { headers })).bytes());
    }
    const script = "import zipfile,sys;z=zipfile.ZipFile(sys.argv[1]);" +
      "print([(i.filename,i.file_size,i.header_offset) for i in z.infolist()], z.read('files/b.txt'))";
    assertEquals(
      await run("python3", "-c", script, tree.at("large.zip")),
      `[('files/', 0, 0), ('files/a.bin', ${size}, 45), ('files/b.txt', 5, ${
        blockedSize(size) + 45 + 70 + 24
      })] b'\\x00\\x00\\x00\\x00\\x00'\n`,
    );
    assertStringIncludes(await run("unzip", "-l", tree.at("large.zip")), String(size + 5));
    // The local header and what follows the content are right, too: a program that unpacks needs them.
    assertEquals(await run("unzip", "-p", tree.at("large.zip"), "files/b.txt"), "\0\0\0\0\0");
  },
});

Deno.test("a packed size of 0xffffffff, which stands for the 64-bit field in a zip, is in that field", async () => {
  const largest = 65_532 * 65_535 + 10;
  assertEquals(blockedSize(largest), 0xffff_ffff);
  for (const [size, needed] of [[largest - 1, 20], [largest, 45]] as const) {
    const response = await ask(sparse(size), "/?archive=zip", { headers: { range: "bytes=45-50" } }); // behind files/
    const header = new DataView((await response.bytes()).buffer);
    assertEquals([header.getUint32(0, true), header.getUint16(4, true)], [0x04034b50, needed]);
  }
});

Deno.test({
  name: "more than 65,535 files are found in a zip",
  ignore: WINDOWS || missing("python3", "unzip"),
  async fn() {
    await using tree = await tempTree();
    const files = Object.fromEntries(Array.from({ length: 66_000 }, (_, i) => [`d/${i}`, ""]));
    await download(memory(files), "/d/?archive=zip", tree.at("many.zip"));
    const count = "import zipfile,sys;print(len(zipfile.ZipFile(sys.argv[1]).namelist()))";
    assertEquals(await run("python3", "-c", count, tree.at("many.zip")), "66001\n");
    assertStringIncludes(await run("unzip", "-tq", tree.at("many.zip")), "No errors");
  },
});

Deno.test({
  name: "tar has a pax header for what does not fit",
  ignore: WINDOWS || missing("tar"),
  async fn() {
    await using tree = await tempTree();
    const size = 9 * 2 ** 30;
    const path = new TextEncoder().encode(`${"é".repeat(100)}/${"b".repeat(200)}`);
    const header = tarHeader({ path, directory: false, size, modified: -5, mode: 0o644 });
    await Deno.writeFile(tree.at("large.tar"), header);
    await Deno.truncate(tree.at("large.tar"), header.length + size + 1024);
    const line = await run("tar", "--numeric-owner", "--utc", "-tvf", tree.at("large.tar"));
    assertEquals(line, `-rw-r--r-- 0/0      ${size} 1970-01-01 00:00 ${new TextDecoder().decode(path)}\n`);
  },
});

Deno.test("limits are enforced and reported", async () => {
  const site = memory({ "d/a": "a".repeat(600), "d/b": "b".repeat(600), "d/c/d": "" });
  for (const [options, text] of [[{ maxBytes: 1199 }, "1.17 KiB"], [{ maxEntries: 4 }, "more than 4 files"]] as const) {
    const response = await ask(site, "/d/?archive=zip", {}, options);
    assertEquals(response.status, 403);
    assertStringIncludes(await response.text(), text);
  }
  const fits = await ask(site, "/d/?archive=zip", {}, { maxBytes: 1200, maxEntries: 5 });
  assertEquals([fits.status, (await fits.bytes()).length > 1200], [200, true]);
});

Deno.test("an empty directory counts, too", async () => {
  await using tree = await tempTree({ "d/a/b/": "" });
  for (const [maxEntries, status] of [[3, 200], [2, 403]] as const) {
    const response = await ask(disk(tree.path), "/d/?archive=tar", {}, { maxEntries });
    assertEquals([maxEntries, response.status], [maxEntries, status]);
    await response.body?.cancel();
  }
});

Deno.test("a link to a directory is left out if it may lead back", async () => {
  const site = memory({ "d/a.txt": "a", "d/link/b.txt": "b" });
  const source: FileSource = {
    stat: (path) => site.stat(path),
    open: (path, seen) => site.open(path, seen),
    async list(path) {
      const slices = await Array.fromAsync((await site.list(path))!);
      return slices.map((slice) => slice.map((entry) => ({ ...entry, link: entry.name === "link" })));
    },
  };
  const text = new TextDecoder("latin1").decode(await (await ask(source, "/d/?archive=tar")).bytes());
  assertStringIncludes(text, "d/link/: link to a directory");
  assert(!text.includes("b.txt"));
});

Deno.test({
  name: "a mounted directory is packed under its own name, one with an index page as an entry of the one around it",
  ignore: missing("python3"),
  async fn() {
    const site = memory({ "sub/index.html": "<h1>Hi</h1>" });
    const fetch = toFetch(mount("/docs", fileServer(site, { features: [archives()], log: false })));
    for (const [target, folder] of [["/docs/?archive=zip", "docs"], ["/docs/?archive=zip&name=sub", "sub"]] as const) {
      const response = await fetch(new Request(`http://localhost${target}`));
      await response.body?.cancel();
      assertEquals(response.headers.get("content-disposition"), `attachment; filename="${folder}.zip"`);
    }
    const page = await fetch(new Request("http://localhost/docs/sub/?archive=zip"));
    assertEquals(await page.text(), "<h1>Hi</h1>");
  },
});

Deno.test("attachment() encodes every name so that it cannot break out of the header", () => {
  assertEquals(attachment('a"b\\c%41.zip'), `attachment; filename="a_b_c_41.zip"; filename*=UTF-8''a%22b%5Cc%2541.zip`);
  assertEquals(
    attachment("☂\r\n😀\ud800"),
    `attachment; filename="_______"; filename*=UTF-8''`.replace("_______", "_____") +
      "%E2%98%82%0D%0A%F0%9F%98%80%EF%BF%BD",
  );
});

Deno.test("the command offers archives unless they are turned off", async () => {
  await using tree = await tempTree({ "a.txt": "hello", "sub/b.txt": "b" });
  const rows = [[[], 200], [["--no-archive"], 404], [["--no-listing"], 404], [["--archive-max=4"], 403]] as const;
  for (const [args, status] of rows) {
    await using command = await start([tree.path, ...args]);
    const response = await fetch(`http://127.0.0.1:${command.port}/?archive=tar`);
    await response.body?.cancel();
    assertEquals(response.status, status, args.join(" "));
    assertEquals(response.headers.get("content-type") === "application/x-tar", args.length === 0, args.join(" "));
  }
});

Deno.test({
  name: "the sources of programs are neither packed, nor found, nor given a checksum",
  ignore: Deno.build.os === "windows" || missing("tar"),
  async fn() {
    await using tree = await tempTree({
      "cgi-bin/run.sh": "#!/bin/sh\n# SECRET\n",
      "sub/page.php": "<?php SECRET",
      "sub/app.fcgi": "SECRET",
      "sub/a.txt": "plain",
    });
    await Deno.symlink(tree.at("sub/page.php"), tree.at("sub/link.txt"));
    const options = ["--cgi", "--cgi-map", ".php=/bin/true", "--fastcgi", ".fcgi=127.0.0.1:9"];
    await using command = await start([tree.path, ...options]);
    const base = `http://127.0.0.1:${command.port}`;
    const tar = await (await fetch(`${base}/?archive=tar`)).text();
    assertEquals([tar.includes("SECRET"), tar.includes("plain")], [false, true]);
    assertEquals(await (await fetch(`${base}/?q=*&format=text`)).text(), "cgi-bin/\nsub/\nsub/a.txt\n");
    for (const path of ["/sub/link.txt?sha256", "/cgi-bin/run.sh?sha256", "/cgi-bin/?archive=tar"]) {
      assertEquals(/^[0-9a-f]{64} |SECRET/.test(await (await fetch(base + path)).text()), false, path);
    }
  },
});

Deno.test("packing many small files does not block other requests", async () => {
  const files = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`d/${index}`, "x"]));
  const response = await ask(memory(files), "/d/?archive=tar");
  let turns = 0;
  const timer = setInterval(() => turns += 1, 0);
  for await (const _bytes of response.body!);
  clearInterval(timer);
  assert(turns > 1, `Others had ${turns} turns`);
});

Deno.test("a form names more entries than a URL can, beside uploads too, and only for pages of this site", async () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `a file with a longer name ${index}.txt`);
  await using tree = await tempTree(Object.fromEntries([...names, "other.txt"].map((name) => [name, "x"])));
  const fetch = toFetch(
    fileServer(tree.path, {
      features: [...uploadFeatures({ rights: { create: true, change: true } }), archives()],
      log: false,
    }),
    SILENT,
  );
  const post = (body: BodyInit, headers: Record<string, string> = {}) =>
    fetch(new Request("http://localhost/?archive=tar", { method: "POST", body, headers }));
  const form = new URLSearchParams(names.map((name) => ["name", name]));
  const response = await post(form, { "if-none-match": "*", range: "bytes=0-1", origin: "http://localhost" });
  assertEquals(response.status, 200);
  await Deno.writeFile(tree.at("all.tar"), await response.bytes());
  const listed = (await run("tar", "-tf", tree.at("all.tar"))).trim().split("\n");
  assertEquals(listed.filter((path) => path.endsWith(".txt")).length, names.length);
  const statuses = [
    await post(form, { origin: "http://other.example" }),
    await post(new FormData()),
    await post(new URLSearchParams({ name: "x".repeat(1_048_577) })),
    await post(new URLSearchParams({ name: "../etc" })),
  ].map(async ({ status, body }) => [status, await body?.cancel()][0]);
  assertEquals(await Promise.all(statuses), [403, 415, 413, 404]);
});
