/** Zip archives that are unpacked while they are received, by programs that never see the directory at their end. */

import { crc32, inflateRawSync } from "node:zlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { archive, type FileSource, memory, toFetch } from "@x/pyserve";
import { blockedSize, Blocks } from "../../handlers/archive/blocks.ts";
import { HELD_BYTES, HeldFile } from "../../handlers/archive/held_file.ts";
import { noise } from "../support/bytes.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

function ask(source: FileSource, init: RequestInit = {}): Promise<Response> {
  return Promise.resolve(toFetch(archive(source))(new Request("http://localhost/pack/?archive=zip", init)));
}

/** Files of every form that a zip has them in. */
function files(largest: number): Record<string, Uint8Array<ArrayBuffer>> {
  const text = new TextEncoder();
  return {
    "empty": new Uint8Array(),
    "hello.txt": text.encode("hello\n"),
    // Content that looks like headers and ends of entries does not end an entry.
    "records.bin": text.encode("PK\x03\x04 PK\x07\x08 PK\x01\x02 PK\x05\x06".repeat(100)),
    "large.bin": noise(1_500_000),
    "largest.bin": noise(largest),
    "\u00fc.txt": text.encode("behind it"),
  };
}

function packed(content: Record<string, Uint8Array<ArrayBuffer>>): FileSource {
  return memory(Object.fromEntries(Object.entries(content).map(([name, bytes]) => [`pack/${name}`, bytes])));
}

/** Runs a program that reads an archive from a pipe; returns its output. */
async function pipe(source: FileSource, program: string, ...args: string[]): Promise<string> {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const sent = (await ask(source)).body!.pipeTo(child.stdin).catch(() => {}); // it may have read enough before the end
  const { success, stdout, stderr } = await child.output();
  await sent;
  const text = new TextDecoder();
  assert(success, `${program}: ${text.decode(stdout)}${text.decode(stderr)}`);
  return text.decode(stdout);
}

const JAVA = `import java.util.zip.*;
public class Zip {
  public static void main(String[] args) throws Exception {
    var zip = new ZipInputStream(System.in);
    for (ZipEntry entry; (entry = zip.getNextEntry()) != null;) {
      var sum = new CRC32();
      var buffer = new byte[65536];
      long size = 0;
      for (int count; (count = zip.read(buffer)) > 0; size += count) sum.update(buffer, 0, count);
      System.out.println(entry.getName().length() + " " + size + " " + sum.getValue());
    }
  }
}`;

Deno.test({
  name: "java.util.zip.ZipInputStream reads an archive while it is received",
  ignore: missing("java"),
  async fn() {
    await using tree = await tempTree({ "Zip.java": JAVA });
    const content = files(HELD_BYTES + 1);
    const lines = Object.entries(content).map(([name, bytes]) => `${name.length + 5} ${bytes.length} ${crc32(bytes)}`);
    const printed = (await pipe(packed(content), "java", tree.at("Zip.java"))).trim().split("\n");
    assertEquals(printed.sort(), ["5 0 0", ...lines].sort());
  },
});

for (
  const [program, largest, ...args] of [
    ["busybox", HELD_BYTES, "unzip", "-q", "-", "-d"], // it knows no sizes behind the content
    ["bsdtar", HELD_BYTES + 1, "-xf", "-", "-C"],
  ] as const
) {
  Deno.test({
    name: `${program} unpacks an archive while it is received`,
    ignore: Deno.build.os === "windows" || missing(program),
    async fn() {
      await using tree = await tempTree({});
      const content = files(largest);
      await pipe(packed(content), program, ...args, tree.path);
      for (const [name, bytes] of Object.entries(content)) {
        assertEquals(crc32(await Deno.readFile(tree.at(`pack/${name}`))), crc32(bytes), name);
      }
    },
  });
}

Deno.test({
  name: "programs that read the central directory accept a file in blocks",
  ignore: Deno.build.os === "windows" || missing("unzip", "python3", "bsdtar"),
  async fn() {
    await using tree = await tempTree({});
    const file = tree.at("pack.zip");
    await Deno.writeFile(file, (await ask(packed(files(HELD_BYTES + 1)))).body!);
    for (
      const [program, ...args] of [["unzip", "-tq"], ["python3", "-m", "zipfile", "-t"], ["bsdtar", "-tvf"]] as const
    ) {
      const { success } = await new Deno.Command(program, { args: [...args, file], stdout: "null" }).output();
      assert(success, program);
    }
  },
});

Deno.test("the blocks of a file are a deflate stream of it, whichever part is read", async () => {
  for (const size of [1, 65_534, 65_535, 65_536, 131_070, 200_000]) {
    const content = noise(size);
    /** Delivers chunks of arbitrary sizes. */
    const read = (offset: number, into: Uint8Array) => {
      const count = Math.min(into.length, 1 + Math.floor(Math.random() * 100_000));
      into.set(content.subarray(offset, offset + count));
      return Promise.resolve(count);
    };
    const blocks = new Blocks(size);
    const all = new Uint8Array(blockedSize(size));
    for (let at = 0; at < all.length;) at += await blocks.read(at, all.subarray(at), read);
    assertEquals(new Uint8Array(inflateRawSync(all)), content);
    for (let turn = 0; turn < 200; turn++) {
      const start = Math.floor(Math.random() * all.length);
      const into = new Uint8Array(1 + Math.floor(Math.random() ** 4 * 150_000)).subarray(0, all.length - start);
      const count = await blocks.read(start, into, read);
      assert(count > 0);
      assertEquals(into.subarray(0, count), all.subarray(start, start + count));
    }
  }
});

Deno.test("any range of an archive with a file in blocks is that part of the whole", async () => {
  const source = packed(files(HELD_BYTES + 1));
  const whole = await (await ask(source)).bytes();
  for (let turn = 0; turn < 30; turn++) {
    const start = Math.floor(Math.random() * whole.length);
    const end = Math.min(whole.length, start + 1 + Math.floor(Math.random() ** 3 * 3_000_000));
    const response = await ask(source, { headers: { range: `bytes=${start}-${end - 1}` } });
    assertEquals([response.status, crc32(await response.bytes())], [206, crc32(whole.subarray(start, end))]);
  }
});

Deno.test("all archives together hold 64 MiB of files", () => {
  const held = Array.from({ length: 5 }, () => new HeldFile());
  const sizes = held.map((file) => file.bufferFor(HELD_BYTES).length);
  assertEquals(sizes, [...Array(4).fill(HELD_BYTES), 262_144]);
  assertEquals(held[0]!.bufferFor(HELD_BYTES).length, HELD_BYTES);
  held[1]![Symbol.dispose]();
  assertEquals(held[4]!.bufferFor(1_000_000).length, 1_000_000);
  for (const file of held) file[Symbol.dispose]();
});

Deno.test("archives without room to hold a file read it twice, with the same result", async () => {
  const source = packed({ "a.bin": noise(HELD_BYTES), "b.bin": noise(300_000) });
  const begun = await Promise.all(Array.from({ length: 6 }, async () => {
    const reader = (await ask(source)).body!.getReader();
    return { reader, sum: crc32((await reader.read()).value!) }; // by now it has read the first file, or some of it
  }));
  const sums = await Promise.all(begun.map(async ({ reader, sum }) => {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      sum = crc32(value!, sum);
    }
    return sum;
  }));
  assertEquals(new Set(sums).size, 1);
  assertEquals(sums[0], crc32(await (await ask(source)).bytes()));
});

Deno.test("a file that changes between its checksum and its sending breaks off the archive", async () => {
  const whole = packed({ "a.bin": noise(HELD_BYTES + 1) });
  let opened = 0;
  const source: FileSource = {
    stat: (path) => whole.stat(path),
    list: (path) => whole.list(path),
    async open(path, seen) {
      const file = await whole.open(path, seen);
      const turn = opened++;
      return {
        async read(offset, into) {
          const count = await file.read(offset, into);
          if (turn > 0) into[0]! ^= 1;
          return count;
        },
        [Symbol.dispose]: () => file[Symbol.dispose](),
      };
    },
  };
  const fetch = toFetch(archive(source), { log: { access() {}, error() {} } });
  const target = "http://localhost/pack/?archive=zip";
  const summed = await fetch(new Request(target, { headers: { range: "bytes=-100" } })); // its checksum is known now
  await summed.bytes();
  await assertRejects(async () => await (await fetch(new Request(target))).bytes(), Error);
});
