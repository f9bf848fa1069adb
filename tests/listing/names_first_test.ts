/** Large directories on disk, of which the names are read first, and the metadata of each entry just before it is sent. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { disk, type FileSource, filtered, listing, SitePath, toFetch, union } from "@x/pyserve";
import { type FileEntry, isUnread } from "@x/pyserve/sources";
import { permitted } from "../../handlers/sources/permitted.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { EINTR, EMFILE, ENOSYS, EPERM } from "../../handlers/system/libc.ts";
import { failing } from "../support/failing.ts";
import { tempTree } from "../support/tree.ts";

const ignore = FILE_CALLS === null || DESCRIPTORS === null;

const COUNT = 2_500;

/** A directory with this many files of one byte, named so that their order on disk is another. */
async function largeTree(count = COUNT) {
  const tree = await tempTree({ "sub/": "", "secret.txt": "secret" });
  await Deno.mkdir(tree.at("dir"));
  for (let i = 0; i < count; i++) Deno.writeTextFileSync(tree.at(`dir/${nameOf(i)}`), "x");
  await Deno.mkdir(tree.at("dir/zz"));
  await Deno.symlink("../sub", tree.at("dir/zlink"));
  await Deno.symlink("../secret.txt", tree.at("dir/secret"));
  await Deno.symlink("none", tree.at("dir/broken"));
  return tree;
}

function nameOf(index: number): string {
  return `file ${(index * 7919) % COUNT}.txt`;
}

const DIR = SitePath.root.child("dir")!;

function asking(source: FileSource) {
  const fetch = toFetch(listing(source), { log: { access() {}, error() {} } });
  return (target: string, init?: RequestInit) => Promise.resolve(fetch(new Request(`http://localhost${target}`, init)));
}

async function entriesOf(source: FileSource, until?: DisposableStack): Promise<FileEntry[]> {
  return (await Array.fromAsync((await source.list(DIR, until))!)).flat();
}

/** How many descriptors of this process lead into a directory. */
function openBelow(path: string): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(path)) count += 1;
    } catch {
      // the descriptor of this loop
    }
  }
  return count;
}

function shown(entries: readonly FileEntry[]): string[] {
  return entries.map(({ name, stat, link, problem }) => `${name} ${stat?.kind} ${stat?.version} ${link} ${problem}`)
    .sort();
}

Deno.test({
  name: "entries whose metadata is read later are the same as those read at once",
  ignore,
  async fn() {
    await using tree = await largeTree();
    for (const source of [disk(tree.path), union({ "/": disk(tree.path), "/other": disk(tree.path) })]) {
      using until = new DisposableStack();
      const later = await entriesOf(source, until);
      assertEquals(later.filter(isUnread).length, COUNT + 1);
      assertEquals(
        shown(later.map((entry) => isUnread(entry) ? entry.read()! : entry)),
        shown(await entriesOf(source)),
      );
    }
    assertEquals(openBelow(tree.path), 0);
  },
});

Deno.test({
  name: "rows are sent before the metadata of the entries after them is read",
  ignore,
  async fn() {
    await using tree = await largeTree();
    const ask = asking(disk(tree.path));
    using looks = failing(FILE_CALLS!, "statx", 0, (call) => counted(call));
    let calls = 0;
    function counted(call: number) {
      calls = call + 1;
      return false;
    }
    const reader = (await ask("/dir/")).body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("file 9.txt")) text += (await reader.read()).value;
    assert(calls < 1_000, `${calls} entries were read`);
    for (let i = 2_400; i < COUNT; i++) Deno.removeSync(tree.at(`dir/file ${i}.txt`));
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    assertEquals([...text.matchAll(/<bdi>file (\d+)/g)].map(([, number]) => Number(number)), [...Array(2_400).keys()]);
    assertStringIncludes(text, "2 directories, 2401 files, 2.35 KiB");
    assertEquals([looks.count, openBelow(tree.path)], [0, 0]);
  },
});

Deno.test({
  name: "a large directory is closed after HEAD, after a client has disconnected, and when it is complete",
  ignore,
  async fn() {
    await using tree = await largeTree();
    const ask = asking(disk(tree.path));
    const closed = async () => {
      for (let i = 0; i < 100 && openBelow(tree.path) > 0; i++) await new Promise((resolve) => setTimeout(resolve));
      return openBelow(tree.path) === 0;
    };
    await ask("/dir/", { method: "HEAD" });
    assert(await closed());
    for (const reads of [0, 1, 2]) {
      const reader = (await ask("/dir/?format=json")).body!.getReader();
      for (let i = 0; i < reads; i++) await reader.read();
      await reader.cancel();
      assert(await closed(), `after ${reads} reads`);
    }
    await (await ask("/dir/")).text();
    await (await ask("/dir/?sort=size")).text();
    assert(await closed());
  },
});

Deno.test({
  name: "a file that becomes a symlink before its metadata is read is not shown: nothing judged where it leads",
  ignore,
  async fn() {
    await using tree = await largeTree();
    const ask = asking(permitted(disk(tree.path), (path) => path.text !== "/secret.txt"));
    const reader = (await ask("/dir/")).body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    Deno.removeSync(tree.at("dir/file 2499.txt"));
    Deno.symlinkSync("../secret.txt", tree.at("dir/file 2499.txt"));
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    assertStringIncludes(text, "file 2498.txt");
    assert(!text.includes("file 2499.txt"));
  },
});

Deno.test("sources that hide entries hide them from a large directory, too", async () => {
  await using tree = await largeTree();
  const isShown = (path: SitePath) => !path.name.startsWith("file 1") && path.name !== "zz";
  const may = (path: SitePath) => isShown(path) && path.text !== "/secret.txt";
  for (const source of [filtered(disk(tree.path), isShown), permitted(disk(tree.path), may)]) {
    const text = await (await asking(source)("/dir/?format=text")).text();
    const hidden = text.split("\n").filter((line) => line.startsWith("file 1") || line.startsWith("zz"));
    assertEquals(hidden, []);
    assertStringIncludes(text, "file 2499.txt\n");
  }
  assert(!(await (await asking(permitted(disk(tree.path), may))("/dir/?format=text")).text()).includes("secret"));
});

const ORDERS = ["", "&order=desc", "&sort=size", "&sort=modified&order=desc"];

/** The listing in every order; the slower ways give the same. */
async function observe(source: FileSource): Promise<string[]> {
  const ask = asking(source);
  return await Promise.all(ORDERS.map(async (order) => await (await ask(`/dir/?format=json${order}`)).text()));
}

Deno.test({
  name: "a large directory is listed in the same way where calls of the system fail",
  ignore,
  async fn() {
    await using tree = await largeTree();
    const expected = await observe(disk(tree.path));
    assertEquals(JSON.parse(expected[0]!).totals, { directories: 2, files: COUNT + 1, bytes: COUNT + 6 });
    for (const [error, errno] of Object.entries({ EINTR, EMFILE, ENOSYS, EPERM })) {
      for (const name of ["getdents64", "statx"]) {
        const isFailing = (call: number) => errno !== EINTR || call % 3 === 0;
        using failed = failing(FILE_CALLS!, name, errno, isFailing);
        assertEquals(await observe(disk(tree.path)), expected, `${name} ${error}`);
        assert(failed.count > 0);
      }
    }
  },
});

Deno.test({
  name: "a large directory that cannot be read to its end is not shown in part",
  ignore,
  async fn() {
    await using tree = await largeTree();
    const expected = await (await asking(disk(tree.path))("/dir/?format=text")).text();
    let failures = 0;
    for (let at = 0; at < 12; at++) {
      using failed = failing(FILE_CALLS!, "getdents64", EPERM, (call) => call === at);
      const response = await asking(disk(tree.path))("/dir/?format=text");
      const text = await response.text().catch(() => null);
      if (response.status === 200 && text !== null) assertEquals(text, expected);
      failures += failed.count;
    }
    assert(failures > 2);
    assertEquals(openBelow(tree.path), 0);
  },
});
