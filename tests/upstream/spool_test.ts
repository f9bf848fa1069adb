/** Request bodies buffered in memory or in a nameless file. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { IncompleteBody } from "../../handlers/core/request_body.ts";
import { HttpError } from "../../handlers/core/errors.ts";
import { spool, type Spooled } from "../../handlers/upstream/spool.ts";
import { hasProgram } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const onLinux = Deno.build.os === "linux";

function pattern(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).map((_, i) => (i * 31) ^ (i >> 8));
}

/** A body in chunks of a size. */
function body(bytes: Uint8Array<ArrayBuffer>, size = 65_536): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }());
}

async function bytesOf(spooled: Spooled): Promise<Uint8Array<ArrayBuffer>> {
  const chunks = await Array.fromAsync(spooled.chunks());
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Open files of this process whose name is gone. */
function unlinkedFiles(directory: string): string[] {
  const names: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const target = Deno.readLinkSync(`/proc/self/fd/${name}`);
      if (target.startsWith(directory) && target.endsWith("(deleted)")) names.push(name);
    } catch {
      // The descriptor of the directory that is read here.
    }
  }
  return names;
}

Deno.test("spooled bytes come out unchanged, around the limits and in every kind of chunks", async () => {
  await using tree = await tempTree();
  const options = { memory: 1000, max: null, directory: tree.path };
  for (const length of [0, 1, 999, 1000, 1001, 2000, 2001, 70_000]) {
    for (const size of [1, 7, 1000, 65_536]) {
      using spooled = await spool(body(pattern(length), size), options);
      assertEquals(spooled.length, length);
      assertEquals(await bytesOf(spooled), pattern(length));
      assertEquals(await bytesOf(spooled), pattern(length)); // and a second time
    }
  }
});

Deno.test("No body is an empty one", async () => {
  using spooled = await spool(null, { max: 0 });
  assertEquals([spooled.length, (await bytesOf(spooled)).length], [0, 0]);
});

Deno.test("up to the limit there is no file; above it, one without a name", { ignore: !onLinux }, async () => {
  await using tree = await tempTree();
  const options = { max: null, directory: tree.path };
  {
    using small = await spool(body(pattern(1 << 20)), options);
    assertEquals([small.length, unlinkedFiles(tree.path).length], [1 << 20, 0]);
    using large = await spool(body(pattern((1 << 20) + 1)), options);
    const [descriptor] = unlinkedFiles(tree.path);
    assertEquals((await Deno.stat(`/proc/self/fd/${descriptor}`)).mode! & 0o777, 0o600);
    assertEquals([...Deno.readDirSync(tree.path)], []);
    assertEquals(large.length, (1 << 20) + 1);
  }
  assertEquals(unlinkedFiles(tree.path), []);
});

Deno.test("disposing twice is safe; afterwards nothing can be read", async () => {
  await using tree = await tempTree();
  const spooled = await spool(body(pattern(100)), { memory: 10, max: null, directory: tree.path });
  spooled[Symbol.dispose]();
  spooled[Symbol.dispose]();
  await assertRejects(() => bytesOf(spooled), Deno.errors.BadResource);
});

Deno.test("a body over the limit is refused at the limit, and the rest is not read", async () => {
  await using tree = await tempTree();
  using exact = await spool(body(pattern(500)), { max: 500 });
  assertEquals(exact.length, 500);
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(100)),
    cancel: () => void (cancelled = true),
  });
  const error = await assertRejects(() => spool(endless, { memory: 200, max: 501, directory: tree.path }), HttpError);
  assertEquals([error.status, cancelled], [413, true]);
  assertEquals([...Deno.readDirSync(tree.path)], []);
  if (onLinux) assertEquals(unlinkedFiles(tree.path), []);
});

Deno.test("an interrupted upload is distinguished, and leaves no file", async () => {
  await using tree = await tempTree();
  const broken = ReadableStream.from(async function* () {
    yield await Promise.resolve(pattern(500));
    throw new Error("gone");
  }());
  const error = await assertRejects(
    () => spool(broken, { memory: 100, max: null, directory: tree.path }),
    IncompleteBody,
  );
  assertEquals((error.cause as Error).message, "gone");
  assertEquals([...Deno.readDirSync(tree.path)], []);
  if (onLinux) assertEquals(unlinkedFiles(tree.path), []);
});

Deno.test("a disconnect over a real connection is distinguished", async () => {
  const told = Promise.withResolvers<unknown>();
  const listening = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using server = Deno.serve(listening, async (request) => {
    await spool(request.body, { max: null }).then(() => told.resolve(null), told.resolve);
    return new Response();
  });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
  const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npart";
  await connection.write(new TextEncoder().encode(head));
  connection.close();
  assert(await told.promise instanceof IncompleteBody);
});

Deno.test("if no file can be created, it is a server error", async () => {
  const options = { memory: 10, max: null, directory: "/no/such/directory" };
  const error = await assertRejects(() => spool(body(pattern(100)), options), HttpError);
  assertEquals(error.status, 500);
});

/** A file system of 1 MiB; null if this user may not mount one. */
async function smallDisk(): Promise<({ readonly path: string } & AsyncDisposable) | null> {
  if (!onLinux || Deno.uid() !== 0 || !hasProgram("mount")) return null;
  const path = await Deno.makeTempDir({ prefix: "pyserve-" });
  const args = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path];
  const { success } = await new Deno.Command("mount", { args, stderr: "null" }).output();
  const unmount = async () => {
    if (success) await new Deno.Command("umount", { args: [path] }).output();
    await Deno.remove(path);
  };
  if (success) return { path, [Symbol.asyncDispose]: unmount };
  await unmount();
  // deno-lint-ignore no-console
  console.log("skipped: no file system can be mounted");
  return null;
}

Deno.test("A full disk is 507, and is free again after it", async () => {
  await using disk = await smallDisk();
  if (disk === null) return;
  const error = await assertRejects(
    () => spool(body(pattern(3 << 20)), { memory: 65_536, max: null, directory: disk.path }),
    HttpError,
  );
  assertEquals(error.status, 507);
  using spooled = await spool(body(pattern(500_000)), { memory: 65_536, max: null, directory: disk.path });
  assertEquals(spooled.length, 500_000);
});

Deno.test("300 MB take no more memory than the buffer", async () => {
  await using tree = await tempTree();
  const chunk = pattern(65_536);
  // Of this thread: the whole process also runs other tests.
  const buffered = () => Deno.memoryUsage().external;
  const before = buffered();
  let most = 0;
  const many = ReadableStream.from(function* () {
    for (let i = 0; i < 4_800; i++) {
      most = Math.max(most, buffered() - before);
      yield chunk.slice();
    }
  }());
  using spooled = await spool(many, { max: null, directory: tree.path });
  assert(spooled.length > 300_000_000);
  let total = 0;
  for await (const part of spooled.chunks()) {
    most = Math.max(most, buffered() - before);
    total += part.length;
  }
  assertEquals(total, spooled.length);
  assert(most < 225_000_000, `${most} bytes`);
});
