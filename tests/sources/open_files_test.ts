/** Open files: reading them, and when they are closed. */

import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { SitePath } from "@x/pyserve";
import type { OpenFile } from "@x/pyserve/sources";
import { readCached, UNDECIDED } from "../../handlers/system/cached_read.ts";
import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { ENOSYS, SYS_PREADV2 } from "../../handlers/system/libc.ts";
import { DiskRoot } from "../../handlers/sources/contained.ts";
import { DESCRIPTORS, LATER } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { doLater } from "../../handlers/sources/steps.ts";
import { nodeFs } from "../../handlers/system/node.ts";
import { failing } from "../support/failing.ts";
import { missing } from "../support/programs.ts";
import { settleTimes, tempTree } from "../support/tree.ts";

const SIZE = 300_000;
const BYTES = Uint8Array.from({ length: SIZE }, (_, index) => index * 7 % 251);
const path = SitePath.root.child("a.bin")!;

async function opened(root: string, holds: boolean): Promise<OpenFile> {
  const source = new DiskSource(root, { followLinks: false, holds });
  return await source.open(path, (await source.stat(path))!);
}

for (const holds of DESCRIPTORS ? [true, false] : [false]) {
  Deno.test(`a file is read from any offset, in any order (${holds ? "held" : "by name"})`, async () => {
    await using tree = await tempTree({ "a.bin": BYTES });
    using file = await opened(tree.path, holds);
    for (const [offset, length] of [[200_000, 10], [0, 1_024], [0, 100_000], [5, 5], [250_000, 20], [1, 1]] as const) {
      const into = new Uint8Array(length);
      for (let at = 0; at < length;) at += await file.read(offset + at, into.subarray(at));
      assertEquals(into, BYTES.subarray(offset, offset + length), `${length} bytes from ${offset}`);
    }
  });
}

/** How an open file is held, and whether the calls of the C library for it are refused. */
const WAYS = DESCRIPTORS && FILE_CALLS
  ? [[true, false], [true, true], [false, false]] as const
  : [[false, false]] as const;

for (const [holds, isRefused] of WAYS) {
  Deno.test(`an open file tells if it was changed (held: ${holds}, refused: ${isRefused})`, async () => {
    await using tree = await tempTree({ "a.bin": BYTES });
    await settleTimes(tree.at("a.bin"));
    using _statx = isRefused ? failing(FILE_CALLS!, "statx", ENOSYS) : null;
    using _open = isRefused ? failing(FILE_CALLS!, "preadv2", ENOSYS) : null;
    const seen = await new DiskSource(tree.path, { followLinks: false, holds }).stat(path);
    using file = await opened(tree.path, holds);
    await file.read(0, new Uint8Array(10));
    if (!file.stat) return; // the source tells
    assertEquals((await file.stat()).version, seen!.version);
    await Deno.writeFile(tree.at("a.bin"), BYTES.with(0, 1));
    assertNotEquals((await file.stat()).version, seen!.version);
  });
}

/** Reads the whole file, and returns whether each read was synchronous. */
async function readAll(file: OpenFile, into: Uint8Array): Promise<boolean> {
  let isSync = true;
  for (let at = 0; at < into.length;) {
    const count = file.read(at, into.subarray(at));
    isSync &&= typeof count === "number";
    at += await count;
  }
  return isSync;
}

/** Some file systems, such as overlayfs, do not. */
function tellsWhatIsCached(path: string): boolean {
  const descriptor = DESCRIPTORS!.openAtOnce(path);
  const count = readCached(descriptor, 0, new Uint8Array(1));
  DESCRIPTORS!.close(descriptor);
  return count !== UNDECIDED;
}

Deno.test({
  name: "what is in the page cache is read without waiting, whatever its size",
  ignore: DESCRIPTORS === null || FILE_CALLS === null,
  async fn() {
    await using tree = await tempTree({ "a.bin": BYTES });
    if (!tellsWhatIsCached(tree.at("a.bin"))) return;
    using file = await opened(tree.path, true);
    const into = new Uint8Array(SIZE);
    assertEquals(await readAll(file, into), true);
    assertEquals(into, BYTES);
    assertEquals(file.read(SIZE, into), 0);
  },
});

const FAILURES: readonly (readonly [why: string, call: number, flags: number])[] = [
  ["the file system does not tell what is in memory (EOPNOTSUPP)", SYS_PREADV2, 0x4000_0000],
  ["the kernel or seccomp refuses the call (ENOSYS)", 9_999, 0],
];

for (const [why, call, flags] of FAILURES) {
  Deno.test({
    name: `a file is read by Deno where ${why}`,
    ignore: DESCRIPTORS === null || FILE_CALLS === null,
    async fn() {
      await using tree = await tempTree({ "a.bin": BYTES });
      using file = await opened(tree.path, true);
      const { preadv2 } = FILE_CALLS!;
      let calls = 0;
      FILE_CALLS!.preadv2 = (_call, file, vector, count, offset, high) => {
        calls += 1;
        return preadv2(call, file, vector, count, offset, high, flags);
      };
      try {
        const into = new Uint8Array(SIZE);
        assertEquals(await readAll(file, into), false);
        assertEquals(into, BYTES);
        assertEquals(calls > 0, true);
      } finally {
        FILE_CALLS!.preadv2 = preadv2;
      }
    },
  });
}

Deno.test({
  name: "bytes that are not in the page cache are read in the background",
  ignore: DESCRIPTORS === null || FILE_CALLS === null || missing("dd"),
  async fn() {
    await using tree = await tempTree({ "a.bin": BYTES });
    const args = [`of=${tree.at("a.bin")}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"];
    await new Deno.Command("dd", { args, stdin: "null", stderr: "null" }).output(); // drops them, if the file system can
    using file = await opened(tree.path, true);
    const into = new Uint8Array(SIZE);
    await readAll(file, into);
    assertEquals(into, BYTES);
  },
});

Deno.test({
  name: "a descriptor is not closed during a read: it could be reused for another file",
  ignore: Deno.build.os === "windows", // where Deno's own files are used
  async fn() {
    await using tree = await tempTree({ "a.bin": BYTES });
    const fs = nodeFs();
    const { closeSync } = fs;
    const events: string[] = [];
    fs.closeSync = (descriptor) => {
      events.push("closed");
      closeSync(descriptor);
    };
    try {
      const file = await opened(tree.path, false);
      const into = new Uint8Array(SIZE);
      const reading = Promise.resolve(file.read(0, into));
      file[Symbol.dispose]();
      assertEquals(events, []);
      assertEquals(into.subarray(0, await reading), BYTES.subarray(0, await reading));
      assertEquals(events, ["closed"]);
      file[Symbol.dispose]();
      assertEquals(events, ["closed"]);
      await assertRejects(async () => await file.read(0, into), Deno.errors.BadResource);
    } finally {
      fs.closeSync = closeSync;
    }
  },
});

for (const holds of DESCRIPTORS ? [true, false] : [false]) {
  Deno.test(`a listing says of each entry what its stat says (${holds ? "held" : "by name"})`, async () => {
    await using tree = await tempTree({ "a.bin": BYTES, "empty": "", "d/": "", "old": "", "run.sh": "" });
    for (
      const [name, seconds] of [["a.bin", 1_700_000_000.123], ["old", -1_000_000.5], ["d", 4_000_000_000.999]] as const
    ) {
      await Deno.utime(tree.at(name), seconds, seconds);
    }
    if (Deno.build.os !== "windows") await Deno.chmod(tree.at("run.sh"), 0o4750);
    const source = new DiskSource(tree.path, { followLinks: false, holds });
    const entries = (await Array.fromAsync(source.list(SitePath.root)!)).flat();
    assertEquals(entries.length, 5);
    for (const { name, stat } of entries) {
      assertEquals([name, stat], [name, await source.stat(SitePath.root.child(name)!)]);
    }
  });
}

Deno.test({
  name: "no lookup, found or refused, leaks a descriptor, which the runtime would not notice",
  ignore: DESCRIPTORS === null,
  async fn() {
    await using tree = await tempTree({ "root/d/a.txt": "a", "outside/b.txt": "b" });
    await Deno.symlink("../outside", tree.at("root/out"));
    await Deno.symlink(tree.at("root/d"), tree.at("root/absolute"));
    await Deno.symlink("nowhere", tree.at("root/broken"));
    const [source, root] = [
      new DiskSource(tree.at("root"), { followLinks: false }),
      new DiskRoot(tree.at("root"), { followLinks: false }),
    ];
    const paths = ["d", "d/a.txt", "none", "d/a.txt/x", "out", "out/b.txt", "absolute/a.txt", "broken"].map((text) => {
      return text.split("/").reduce((parent, name) => parent.child(name)!, SitePath.root);
    });
    const lookAt = async (path: SitePath) => {
      const seen = await source.stat(path);
      if (seen?.kind === "file") (await source.open(path, seen))[Symbol.dispose]();
      for await (const _ of await source.list(path) ?? []);
      if (seen) source.freshness(path, seen)?.();
      source.absence(path)?.();
      source.locate(path);
      (await doLater(root.find(LATER, path)).catch(() => null))?.[Symbol.dispose]();
    };
    for (const path of paths) await lookAt(path); // files opened by the first call stay open
    // Tests of other files, which run in the same process, have others open.
    const before = openDescriptors(tree.path);
    for (let i = 0; i < 5; i++) for (const path of paths) await lookAt(path);
    assertEquals(openDescriptors(tree.path), before);
  },
});

/** What of a tree this process has open. */
function openDescriptors(tree: string): string[] {
  const names = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name);
  return names.flatMap((name) => {
    try {
      return [Deno.readLinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return [];
    }
  }).filter((place) => place.startsWith(tree)).sort();
}
