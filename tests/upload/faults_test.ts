/** Uploads during failures: afterwards there is the old file or the new one, complete, or none. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { disk, toFetch, upload } from "@x/pyserve";
import { type RunningCommand, start } from "../support/command.ts";
import { ask, parseResponse } from "../support/raw.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { joined, noise } from "../support/bytes.ts";
import { beginRequest, form, headOf, mount, namesBelow, send, sha256 } from "../support/upload.ts";
import { until } from "../support/wait.ts";

const MiB = 1024 * 1024;

const parts = async (tree: TempTree) => (await namesBelow(tree.path)).filter((name) => name.endsWith(".part"));

/** Whether an upload has so many bytes; the server buffers at most one more piece. */
async function has(command: RunningCommand, target: string, bytes: number): Promise<boolean> {
  const offset = (await ask(command.port, "HEAD", target)).headers.get("upload-offset");
  return Number(offset ?? -1) >= bytes - 262_144;
}

Deno.test("a client that disconnects in the middle leaves nothing, and the old file stays", async (t) => {
  await using tree = await tempTree({ "old.txt": "old" });
  await using command = await start([tree.path, "--all", "--on-conflict", "overwrite"]);
  const half = noise(MiB);
  const whole = { body: new Uint8Array(2 * MiB) };
  const chunked = "Transfer-Encoding: chunked";
  const chunk = joined([new TextEncoder().encode("100000\r\n"), half]);
  const upload = form(['name="f"; filename="old.txt"', "x".repeat(2 * MiB)]);
  const rows: readonly [what: string, head: string, content: Uint8Array][] = [
    ["PUT of a new file", headOf("PUT", "/made/new.txt", whole), half],
    ["PUT over a file", headOf("PUT", "/old.txt", whole), half],
    ["chunked, without its end", `PUT /old.txt HTTP/1.1\r\nHost: localhost\r\n${chunked}\r\n\r\n`, chunk],
    ["a form", headOf("POST", "/", upload), new TextEncoder().encode(upload.body as string).subarray(0, MiB)],
  ];
  let broken = 0;
  for (const [what, head, content] of rows) {
    await t.step(what, async () => {
      const connection = await beginRequest(command.port, head, content);
      await until(async () => (await parts(tree)).length === 1);
      connection.close();
      broken += 1;
      const logged = () => command.stderr().split("code 400, message The request body is incomplete").length - 1;
      await until(() => Promise.resolve(logged() === broken));
      assertEquals(await namesBelow(tree.path), ["old.txt"]);
      assertEquals(await Deno.readTextFile(tree.at("old.txt")), "old");
    });
  }
});

Deno.test("a client that stalls gets 408, and leaves nothing", async () => {
  await using tree = await tempTree();
  const fetch = toFetch(upload(disk(tree.path), { stallMs: 50 }));
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => fetch(request));
  const head = headOf("PUT", "/a.txt", { body: "0123456789" });
  using connection = await beginRequest(server.addr.port, head, "0123");
  const buffer = new Uint8Array(1_000);
  const count = await connection.read(buffer);
  assertEquals(parseResponse(buffer.subarray(0, count!)).status, 408);
  assertEquals(await namesBelow(tree.path), []);
});

Deno.test("an upload is resumed after its client was killed, and after the server was killed, and is complete", async () => {
  await using tree = await tempTree({ "dir/": "" });
  const bytes = noise(3 * MiB);
  const target = "/dir/big.bin?upload=6f1c-resumed";
  const head = headOf("PATCH", target, { body: bytes, headers: [["Upload-Offset", "0"], ["Upload-Complete", "?1"]] });
  let offset: number;
  {
    await using command = await start([tree.path, "--upload"]);
    const connection = await beginRequest(command.port, head, bytes.subarray(0, MiB));
    await until(() => has(command, target, MiB));
    connection.close(); // the client is gone
    await command.untilStderr("The request body is incomplete");
    offset = Number((await ask(command.port, "HEAD", target)).headers.get("upload-offset"));
    assertEquals(offset, MiB); // everything received
    const rest = bytes.subarray(offset);
    const again = headOf("PATCH", target, {
      body: rest,
      headers: [["Upload-Offset", String(offset)], ["Upload-Complete", "?1"]],
    });
    using _connection = await beginRequest(command.port, again, rest.subarray(0, MiB));
    await until(() => has(command, target, 2 * MiB));
    await command.stop("SIGKILL"); // the server is gone
  }
  assertEquals((await parts(tree)).length, 1);
  assertEquals((await namesBelow(tree.path)).filter((name) => name.endsWith("big.bin")), []);
  await using command = await start([tree.path, "--upload"]);
  offset = Number((await ask(command.port, "HEAD", target)).headers.get("upload-offset"));
  assert(offset >= 2 * MiB - 262_144 && offset <= 2 * MiB, String(offset));
  const headers = [["Upload-Offset", String(offset)], ["Upload-Complete", "?1"], [
    "Repr-Digest",
    await sha256(bytes),
  ]] as const;
  assertEquals((await send(command.port, "PATCH", target, { body: bytes.subarray(offset), headers })).status, 201);
  assertEquals(await Deno.readFile(tree.at("dir/big.bin")), bytes);
  assertEquals(await parts(tree), []);
});

Deno.test("a client that resumes an upload takes it over from a hanging request", async () => {
  await using tree = await tempTree();
  await using command = await start([tree.path, "--upload"]);
  const target = "/a.bin?upload=taken-over";
  const bytes = noise(MiB);
  const head = headOf("PATCH", target, { body: bytes, headers: [["Upload-Offset", "0"]] });
  using _hanging = await beginRequest(command.port, head, bytes.subarray(0, MiB / 2));
  await until(() => has(command, target, MiB / 2));
  const offset = (await send(command.port, "PATCH", target, { body: "", headers: [["Upload-Offset", "1"]] })).headers
    .get("upload-offset")!;
  assertEquals(offset, String(MiB / 2));
  const headers = [["Upload-Offset", offset], ["Upload-Complete", "?1"]] as const;
  const response = await send(command.port, "PATCH", target, { body: bytes.subarray(MiB / 2), headers });
  assertEquals(response.status, 201);
  assertEquals(await Deno.readFile(tree.at("a.bin")), bytes);
});

Deno.test("a server that is killed leaves the old file; the next one removes what is too old, and only that", async () => {
  await using tree = await tempTree({ "a.txt": "old", "sub/b.txt": "b" });
  await Deno.symlink(tree.at("sub"), tree.at("link"));
  {
    await using command = await start([tree.path, "--all", "--on-conflict", "overwrite"]);
    const head = headOf("PUT", "/a.txt", { body: new Uint8Array(2 * MiB) });
    using _connection = await beginRequest(command.port, head, noise(MiB));
    await until(async () => (await parts(tree)).length === 1);
    await command.stop("SIGKILL");
  }
  const [left] = await parts(tree);
  assertEquals(await Deno.readTextFile(tree.at("a.txt")), "old");
  const old = `sub/.pyserve-${"a".repeat(32)}.part`;
  const other = "sub/.pyserve-notes.part";
  await Deno.writeTextFile(tree.at(old), "part");
  await Deno.writeTextFile(tree.at(other), "mine");
  for (const name of [old, other]) await Deno.utime(tree.at(name), 1_000_000_000, 1_000_000_000);
  await using _command = await start([tree.path, "--upload"]);
  await until(async () => !(await parts(tree)).includes(old));
  assertEquals(await parts(tree), [left!, other]);
});

Deno.test("of several concurrent uploads of one name one wins, complete, and the others are told", async (t) => {
  await using tree = await tempTree();
  await using command = await start([tree.path, "--all"]);
  const bodies = Array.from({ length: 8 }, () => noise(MiB));
  const put = async (target: string) =>
    await Promise.all(bodies.map(async (body) => (await send(command.port, "PUT", target, { body })).status));
  const isOneOf = async (name: string) => {
    const stored = await Deno.readFile(tree.at(name));
    return bodies.some((body) => body.length === stored.length && body.every((byte, at) => byte === stored[at]));
  };
  await t.step("new files: one 201, and 409 for the rest", async () => {
    assertEquals((await put("/new.bin")).sort(), [201, ...Array(7).fill(409)]);
    assert(await isOneOf("new.bin"));
  });
  await t.step("overwriting: the content of one of them", async () => {
    assertEquals((await put("/new.bin?on-conflict=overwrite")).filter((status) => status !== 204), []);
    assert(await isOneOf("new.bin"));
  });
  await t.step("renaming: each gets its own name", async () => {
    await put("/new.bin?on-conflict=rename");
    const names = await namesBelow(tree.path);
    assertEquals(names.length, 9);
    for (const name of names) assert(await isOneOf(name));
  });
  await t.step("with one condition: one 204, and 412 for the rest", async () => {
    await Deno.utime(tree.at("new.bin"), 1_000_000_000, 1_000_000_000);
    let etag = "W/";
    while (etag.startsWith("W/")) etag = (await ask(command.port, "HEAD", "/new.bin")).headers.get("etag")!;
    const sent = bodies.map((body) => send(command.port, "PUT", "/new.bin", { body, headers: [["If-Match", etag]] }));
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    assertEquals(statuses.sort(), [204, ...Array(7).fill(412)]);
  });
});

Deno.test("a reader never sees a mixture while a file is overwritten", async () => {
  await using tree = await tempTree({ "a.bin": "0".repeat(200_000) });
  await using command = await start([tree.path, "--all"]);
  let isWriting = true;
  const read = async () => {
    while (isWriting) {
      const { text } = await ask(command.port, "GET", "/a.bin");
      assertEquals([text.length, new Set(text).size], [200_000, 1]);
    }
  };
  const write = async () => {
    for (let i = 1; i <= 20; i++) {
      const body = String(i % 10).repeat(200_000);
      assertEquals((await send(command.port, "PUT", "/a.bin?on-conflict=overwrite", { body })).status, 204);
    }
    isWriting = false;
  };
  await Promise.all([read(), read(), write()]);
});

Deno.test("a full disk is 507, and leaves nothing", async (t) => {
  await using tree = await tempTree({ "disk/": "" });
  await using tmpfs = await mount(["-t", "tmpfs", "-o", "size=4m", "tmpfs"], tree.at("disk"));
  if (!tmpfs) return;
  await Deno.writeTextFile(tree.at("disk/old.txt"), "old");
  await using command = await start([tree.at("disk"), "--all"]);
  const before = await namesBelow(tree.path);
  const tooMuch = noise(6 * MiB);
  const isAsBefore = async () => {
    assertEquals(await namesBelow(tree.path), before);
    assertEquals(await Deno.readTextFile(tree.at("disk/old.txt")), "old");
  };
  await t.step("Content-Length says so: nothing of it is read", async () => {
    const head = headOf("PUT", "/made/big", { body: tooMuch });
    using connection = await beginRequest(command.port, head, "");
    const buffer = new Uint8Array(1_000);
    assertEquals(parseResponse(buffer.subarray(0, (await connection.read(buffer))!)).status, 507);
    await isAsBefore();
  });
  await t.step("Upload-Length says so", async () => {
    const headers = [["Upload-Offset", "0"], ["Upload-Length", String(tooMuch.length)]] as const;
    assertEquals((await send(command.port, "PATCH", "/big?upload=12345678", { body: "x", headers })).status, 507);
    await isAsBefore();
  });
  const chunked = joined([
    ...Array.from(
      { length: 6 },
      (
        _,
        i,
      ) => [
        new TextEncoder().encode("100000\r\n"),
        tooMuch.subarray(i * MiB, (i + 1) * MiB),
        new TextEncoder().encode("\r\n"),
      ],
    ).flat(),
    new TextEncoder().encode("0\r\n\r\n"),
  ]);
  const head = (line: string) =>
    `${line} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n`;
  const rows = [
    ["nobody says so", `${head("PUT /made/big")}\r\n`],
    ["over a file", `${head("PUT /old.txt?on-conflict=overwrite")}\r\n`],
    ["in pieces", `${head("PATCH /big?upload=12345678")}Upload-Offset: 0\r\n\r\n`],
  ] as const;
  for (const [what, text] of rows) {
    await t.step(what, async () => {
      assertEquals(await statusOf(command.port, text, chunked), 507);
      await isAsBefore();
    });
  }
  await t.step("a form", async () => {
    const sent = form(['name="f"; filename="big"', "x".repeat(6 * MiB)]);
    assertEquals(
      await statusOf(command.port, headOf("POST", "/", sent), new TextEncoder().encode(sent.body as string)),
      507,
    );
    await isAsBefore();
  });
  await t.step("an upload that fits is stored", async () => {
    const response = await send(command.port, "PUT", "/fits", { body: tooMuch.subarray(0, 3 * MiB) });
    assertEquals(response.status, 201);
    assertEquals(await Deno.readFile(tree.at("disk/fits")), tooMuch.subarray(0, 3 * MiB));
  });
});

/** The status of a response that may come before the request is sent completely. */
async function statusOf(port: number, head: string, content: Uint8Array): Promise<number> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = joined([new TextEncoder().encode(head), content]);
  const sending = (async () => {
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at, at + 65_536));
  })().catch(() => {}); // it closes before it has received everything
  const buffer = new Uint8Array(1_000);
  const count = await connection.read(buffer);
  connection.close();
  await sending;
  return parseResponse(buffer.subarray(0, count ?? 0)).status;
}

Deno.test("a directory that cannot be written is 403, for each method", async (t) => {
  await using tree = await tempTree({ "disk/a.txt": "a" });
  await using bound = await mount(["--bind", tree.at("disk")], tree.at("disk"));
  await using readOnly = bound && await mount(["-o", "remount,ro,bind"], tree.at("disk"));
  if (!readOnly) return;
  await using command = await start([tree.path, "--all"]);
  const rows = [
    ["PUT", "/disk/b.txt"],
    ["PUT", "/disk/new/b.txt"],
    ["PUT", "/disk/a.txt?on-conflict=overwrite"],
    ["MKCOL", "/disk/d"],
    ["DELETE", "/disk/a.txt"],
    ["MOVE", "/disk/a.txt"],
  ] as const;
  for (const [method, target] of rows) {
    await t.step(`${method} ${target}`, async () => {
      const response = await send(command.port, method, target, { headers: [["Destination", "/disk/b.txt"]] });
      assertEquals(response.status, 403);
      assertStringIncludes(response.text, "is read-only");
    });
  }
  assertEquals(await namesBelow(tree.path), ["disk/", "disk/a.txt"]);
});

Deno.test("a large upload succeeds, and the memory of the server stays small", async (t) => {
  await using tree = await tempTree();
  await using command = await start([tree.path, "--upload"]);
  const peak = async () => {
    const status = await Deno.readTextFile(`/proc/${command.process.pid}/status`);
    return Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024;
  };
  await send(command.port, "PUT", "/warm", { body: noise(MiB) });
  await send(command.port, "POST", "/", form(['name="f"; filename="warm2"', "x".repeat(MiB)]));
  const before = await peak();
  const [block, blocks] = [noise(MiB), 256];
  const begin = '--XyZ\r\nContent-Disposition: form-data; name="f"; filename="form"\r\n\r\n';
  const end = "\r\n--XyZ--\r\n";
  const rows = [
    ["PUT", "PUT /put", "", ""],
    ["a form", "POST /", begin, end],
  ] as const;
  for (const [what, line, first, last] of rows) {
    await t.step({
      name: what,
      ignore: Deno.build.os !== "linux",
      async fn() {
        const length = first.length + blocks * MiB + last.length;
        const type = "Content-Type: multipart/form-data; boundary=XyZ";
        const head =
          `${line} HTTP/1.1\r\nHost: localhost\r\n${type}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
        using connection = await beginRequest(command.port, head, first);
        for (let i = 0; i < blocks; i++) {
          for (let at = 0; at < MiB;) at += await connection.write(block.subarray(at));
        }
        if (last !== "") await connection.write(new TextEncoder().encode(last));
        const buffer = new Uint8Array(1_000);
        assertEquals(parseResponse(buffer.subarray(0, (await connection.read(buffer))!)).status, 201);
        assertEquals((await Deno.stat(tree.at(what === "PUT" ? "put" : "form"))).size, blocks * MiB);
        const grown = await peak() - before;
        assert(grown < 64, `${grown} MiB more`);
      },
    });
  }
});
