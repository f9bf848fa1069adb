/** Checksums, compared with those of common programs. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { checksum, checksums, disk, fileServer, type FileSource, memory, serve, toFetch } from "@x/pyserve";
import type { Checksum } from "@x/pyserve/handlers";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { settleTimes, tempTree } from "../support/tree.ts";
import { watched } from "../support/watched.ts";

const SILENT = { log: { access() {}, error() {} } };

function ask(source: FileSource, target: string, init: RequestInit = {}): Promise<Response> {
  return Promise.resolve(toFetch(checksum(source), SILENT)(new Request(`http://localhost${target}`, init)));
}

for (const algorithm of ["sha256", "sha512", "sha1", "md5"]) {
  Deno.test({
    name: `?${algorithm} says what ${algorithm}sum says, and it can be checked with it`,
    ignore: Deno.build.os === "windows" || missing(`${algorithm}sum`),
    async fn() {
      const names = ["a.txt", "empty", "with space", "ü☂", "back\\slash", "new\nline", "return\r", "-dash", "*star"];
      const files = names.map((name, index) => [`d/${name}`, new Uint8Array(index * 70_001).fill(index)] as const);
      await using tree = await tempTree(Object.fromEntries(files));
      const lines = await Promise.all(names.map(async (name) => {
        const response = await ask(disk(tree.path), `/d/${encodeURIComponent(name)}?${algorithm}`);
        assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
        const text = await response.text();
        assertEquals(Number(response.headers.get("content-length")), new TextEncoder().encode(text).length);
        return text;
      }));
      const options = { args: ["--", ...names], cwd: tree.at("d") };
      const { stdout } = await new Deno.Command(`${algorithm}sum`, options).output();
      // Older versions leave a carriage return as it is, and read it escaped all the same.
      const [ours, theirs] = [lines.join(""), new TextDecoder().decode(stdout)];
      const plain = (text: string) => text.split("\n").filter((line) => !line.includes("return")).join("\n");
      assertEquals(plain(ours), plain(theirs));
      await Deno.writeTextFile(tree.at("sums"), ours);
      const check = { args: ["-c", "--quiet", tree.at("sums")], cwd: tree.at("d") };
      assert((await new Deno.Command(`${algorithm}sum`, check).output()).success);
    },
  });
}

Deno.test("checksum() as JSON follows its schema", async () => {
  const site = memory({ "d/a.txt": "hello" });
  const expected: Checksum = {
    version: 1,
    name: "a.txt",
    size: 5,
    algorithm: "sha1",
    checksum: "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
  };
  for (const [target, accept] of [["/d/a.txt?sha1&format=json", ""], ["/d/a.txt?sha1=", "application/json"]] as const) {
    const response = await ask(site, target, { headers: { accept } });
    assertEquals([response.headers.get("content-type"), response.headers.get("vary")], ["application/json", "accept"]);
    assertEquals(await response.json(), expected);
  }
  assertEquals((await ask(site, "/d/a.txt?sha1&format=xml")).status, 400);
});

Deno.test("checksum() declines directories, what is not there, and parameters with a value", async () => {
  const site = memory({ "d/a.txt": "hello" });
  for (
    const target of ["/d?sha256", "/d/?sha256", "/x?sha256", "/d/a.txt/?sha256", "/d/a.txt?sha256=1f", "/d/a.txt?sha3"]
  ) {
    assertEquals((await ask(site, target)).status, 404, target);
  }
  assertEquals((await ask(site, "/d/a.txt?sha256", { method: "POST" })).status, 404);
  const fetch = toFetch(fileServer(site, { features: [checksums()], log: false }));
  const busted = await fetch(new Request("http://localhost/d/a.txt?md5=5d41402abc4b2a76b9719d911017c592"));
  assertEquals(await busted.text(), "hello");
});

Deno.test("HEAD says what GET would send, and neither it nor a 304 reads the file", async () => {
  let reads = 0;
  const source = watched(memory({ "a": "hello" }), { read: () => void (reads += 1) });
  const get = await ask(source, "/a?sha256");
  assertEquals((await get.text()).length, 64 + 2 + 1 + 1);
  const before = reads;
  const head = await ask(source, "/a?sha256", { method: "HEAD" });
  assertEquals([head.status, [...head.headers], head.body], [200, [...get.headers], null]);
  const headers = { "if-none-match": get.headers.get("etag")! };
  assertEquals((await ask(source, "/a?sha256", { headers })).status, 304);
  assertEquals(reads, before);
});

Deno.test("a file is read once for concurrent requests, and not again while it is unchanged", async () => {
  let reads = 0;
  const source = watched(memory({ "a": "hello" }), { read: (_path, offset) => void (reads += offset === 0 ? 1 : 0) });
  const fetch = toFetch(checksum(source));
  const sum = async (algorithm: string) => {
    const response = await fetch(new Request(`http://localhost/a?${algorithm}`));
    return (await response.text()).slice(0, 8);
  };
  assertEquals(await Promise.all([sum("sha256"), sum("sha256"), sum("sha256")]), Array(3).fill("2cf24dba"));
  assertEquals(await sum("sha256"), "2cf24dba");
  assertEquals(reads, 1);
  assertEquals([await sum("md5"), reads], ["5d41402a", 2]);
});

Deno.test("a changed file has another checksum", async () => {
  await using tree = await tempTree({ "a": "hello" });
  await settleTimes(tree.at("a"));
  const fetch = toFetch(checksum(disk(tree.path)));
  const sum = async () => (await (await fetch(new Request("http://localhost/a?md5"))).text()).slice(0, 8);
  assertEquals(await sum(), "5d41402a");
  await Deno.writeTextFile(tree.at("a"), "hullo");
  assertEquals(await sum(), "54bf4396");
});

Deno.test("a file that changes while it is read has no checksum: the transfer breaks off", async () => {
  for (const change of ["grow", "shrink", "write"] as const) {
    await using tree = await tempTree({ "a": "a".repeat(600_000) });
    await settleTimes(tree.at("a"));
    let changed: Promise<void> | undefined;
    const source = watched(disk(tree.path), {
      read: () =>
        changed ??= change === "shrink"
          ? Deno.truncate(tree.at("a"), 300_000)
          : Deno.writeTextFile(tree.at("a"), "b".repeat(600_000), { append: change === "grow" }),
    });
    const server = serve(toFetch(checksum(source), SILENT), { hostname: "127.0.0.1", port: 0 });
    const response = await fetch(`http://127.0.0.1:${server.address.port}/a?sha256`);
    await assertRejects(() => response.text(), Error);
    assertEquals(source.openFiles(), 0, change);
    await server.abort();
  }
});

/** A source with one endless file. */
function endless(): FileSource {
  const stat = { kind: "file", size: 2 ** 50, modified: 0, version: "1", stable: true } as const;
  return {
    stat: () => stat,
    list: () => null,
    open: () => ({ read: (_offset, into) => into.length, [Symbol.dispose]() {} }),
  };
}

Deno.test("reading ends when all clients have disconnected, and not before", async () => {
  const source = watched(endless());
  const server = serve(toFetch(checksum(source), SILENT), { hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.address.port}/a?sha256`;
  const [one, other] = [await fetch(url), await fetch(url)];
  await one.body!.cancel();
  // The server has noticed it once it answers a later request.
  await (await fetch(url, { method: "HEAD" })).body?.cancel();
  assertEquals(source.openFiles(), 1);
  await other.body!.cancel();
  await source.untilClosed();
  await server.abort();
});

Deno.test("two files are read at a time for one client; a cancelled one makes room for the next", async () => {
  const slow = endless();
  const source = watched({
    ...slow,
    stat: (path) => path.name === "small" ? { ...stat(slow), size: 0, version: "small" } : slow.stat(path),
    open: (path, seen) => path.name === "small" ? { read: () => 0, [Symbol.dispose]() {} } : slow.open(path, seen),
  });
  const server = serve(toFetch(checksum(source), SILENT), { hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.address.port}`;
  const busy = [await fetch(`${url}/a?sha256`), await fetch(`${url}/b?sha256`)];
  const small = await fetch(`${url}/small?sha256`);
  const text = small.text();
  const first = await Promise.race([text, fetch(`${url}/c?sha256`, { method: "HEAD" }).then(() => "waits")]);
  assertEquals(first, "waits");
  const other = await fetch(`${url}/small?sha512`, { headers: { "x-forwarded-for": "192.0.2.1" } });
  assertEquals((await other.text()).slice(0, 8), "cf83e135");
  await busy[0]!.body!.cancel();
  assertEquals((await text).slice(0, 8), "e3b0c442");
  await busy[1]!.body!.cancel();
  await source.untilClosed();
  await server.abort();
});

function stat(source: FileSource) {
  return source.stat(undefined!) as Exclude<Awaited<ReturnType<FileSource["stat"]>>, null>;
}

Deno.test("what may not be read is 403, before anything is sent", async () => {
  const source: FileSource = {
    ...endless(),
    open() {
      throw new Deno.errors.PermissionDenied();
    },
  };
  for (const method of ["GET", "HEAD"]) assertEquals((await ask(source, "/a?sha256", { method })).status, 403);
});

Deno.test("the command offers checksums unless they are turned off", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  for (
    const [args, text] of [[[], "5d41402abc4b2a76b9719d911017c592  a.txt\n"], [
      ["--no-checksum"],
      "404 Not Found: Checksums are not enabled here\n",
    ]] as const
  ) {
    await using command = await start([tree.path, ...args]);
    // Twice: the second time the file could be in the cache.
    for (let turn = 0; turn < 2; turn++) {
      assertEquals(await (await fetch(`http://127.0.0.1:${command.port}/a.txt?md5`)).text(), text);
    }
  }
});
