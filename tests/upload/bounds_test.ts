/** Limits of uploads: in bytes, in number, and in time. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { disk, errorPages, settle, toFetch, upload, wrap } from "@x/pyserve";
import type { UploadOptions } from "@x/pyserve/handlers";
import { readBody } from "../../handlers/core/request_body.ts";
import { SharedSlices } from "../../handlers/store/slices.ts";
import { parseResponse } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";
import { beginRequest, form, namesBelow } from "../support/upload.ts";
import { within } from "../support/wait.ts";

/** Uploads into a directory, called without a socket: bodies then have no Content-Length. */
async function uploads(options: UploadOptions = {}) {
  const tree = await tempTree();
  const handler = upload(disk(tree.path), { rights: { create: true, change: true }, ...options });
  const fetch = toFetch(wrap(settle(handler), errorPages()));
  return {
    tree,
    ask: async (method: string, target: string, body: BodyInit | null = null, headers: Record<string, string> = {}) =>
      await fetch(
        new Request(`http://localhost${target}`, { method, body, headers: { accept: "application/json", ...headers } }),
      ),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

type Site = Awaited<ReturnType<typeof uploads>>;

/** Sends parts of a form, each a disposition and content. */
async function post(site: Site, parts: readonly (readonly [string, string])[]) {
  const { body, headers } = form(...parts);
  const response = await site.ask("POST", "/", body as string, Object.fromEntries(headers!));
  const text = await response.text();
  return { status: response.status, length: text.length, ...JSON.parse(text) };
}

Deno.test("a digest header names each algorithm at most once", async () => {
  await using site = await uploads();
  const body = noise(1_000);
  const digest = (bytes: number) => new Uint8Array(bytes).toBase64();
  const twice = `sha-512=:${digest(64)}:, sha-512=:${digest(64)}:`;
  for (const name of ["content-digest", "repr-digest"]) {
    for (const [method, target] of [["PUT", "/a"], ["PUT", "/a?upload=12345678"], ["PATCH", "/a?upload=12345678"]]) {
      const response = await site.ask(method!, target!, body, { [name]: twice, "upload-offset": "0" });
      assertEquals([response.status, (await response.json()).detail], [
        400,
        "The digest repeats an algorithm",
      ]);
    }
  }
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", body)).toBase64();
  const both = { "content-digest": `sha-256=:${sum}:`, "repr-digest": `sha-256=:${sum}:` };
  assertEquals((await site.ask("PUT", "/both", body, both)).status, 201);
  const wrong = { ...both, "repr-digest": `sha-256=:${digest(32)}:` };
  assertEquals((await site.ask("PUT", "/wrong", body, wrong)).status, 400);
  assertEquals(await namesBelow(site.tree.path), ["both"]);
});

Deno.test("a form has 10,000 fields at most", async () => {
  await using site = await uploads();
  const fields = Array.from({ length: 9_999 }, () => ['name="x"', ""] as const);
  const file = ['name="f"; filename="a.txt"', "a"] as const;
  assertEquals((await post(site, [...fields, file])).status, 201);
  const { status, detail } = await post(site, [...fields, ["name=x", ""], ['name="f"; filename="b.txt"', "b"]]);
  assertEquals([status, detail], [413, "The form has more than 10000 fields"]);
  assertEquals(await namesBelow(site.tree.path), ["a.txt"]);
});

Deno.test("a form with too many refused files is aborted, and its response stays small", async () => {
  await using site = await uploads();
  const refused = (name: string) => [`name="f"; filename="${name}/.."`, ""] as const;
  const good = ['name="f"; filename="good.txt"', "x"] as const;
  const few = await post(site, [...Array.from({ length: 100 }, () => refused("é".repeat(2_000))), good]);
  assertEquals([few.status, few.files.length + few.omitted], [400, 101]);
  assertStringIncludes(few.detail, "; 1 of 101 files was stored");
  assert(few.length < 100_000, String(few.length));
  const many = await post(site, [...Array.from({ length: 1_500 }, () => refused("x")), [
    'name="f"; filename="late.txt"',
    "",
  ]]);
  assertEquals(many.status, 400);
  assertStringIncludes(
    many.detail,
    "More than 1000 files of the form cannot be stored; the remaining ones were not read",
  );
  const long = await post(site, [refused("x".repeat(4_096))]);
  assertEquals([long.status, long.detail], [400, "A file name is longer than 4096 bytes"]);
  assertEquals(await namesBelow(site.tree.path), ["good.txt"]);
});

Deno.test("the size of other fields of a form is limited, too", async () => {
  await using site = await uploads({ maxBytes: 1_000 });
  const file = ['name="f"; filename="a.txt"', "x".repeat(1_000)] as const;
  assertEquals((await post(site, [['name="note"', "x".repeat(1_048_576)], file])).status, 201);
  assertEquals((await post(site, [['name="note"', "x".repeat(1_048_577)]])).status, 413);
  // A file that is refused by its name is skipped, up to the same limit as any file.
  const refused = (length: number) => ['name="f"; filename=".."', "x".repeat(length)] as const;
  assertEquals((await post(site, [refused(1_000)])).status, 400);
  assertEquals((await post(site, [refused(1_001)])).status, 413);
});

Deno.test("a body without Content-Length is refused exactly at the limit", async () => {
  await using site = await uploads({ maxBytes: 1_000 });
  assertEquals((await site.ask("PUT", "/most", noise(1_000))).status, 201);
  assertEquals((await site.ask("PUT", "/more", noise(1_001))).status, 413);
  assertEquals((await post(site, [['name="f"; filename="form"', "x".repeat(1_001)]])).status, 413);
  assertEquals(await namesBelow(site.tree.path), ["most"]);
});

Deno.test("an upload in pieces that gets too large is 413, and does not keep its part", async () => {
  await using site = await uploads({ maxBytes: 1_000 });
  const piece = (offset: number, length: number) =>
    site.ask("PATCH", "/a?upload=12345678", noise(length), { "upload-offset": String(offset) });
  assertEquals((await piece(0, 1_000)).status, 204);
  assertEquals((await piece(1_000, 1)).status, 413);
  assertEquals((await site.ask("HEAD", "/a?upload=12345678")).status, 404);
  assertEquals(await namesBelow(site.tree.path), []);
});

Deno.test("files of one name get free numbers, even if many are taken", async () => {
  await using site = await uploads({ onConflict: "rename" });
  for (const name of ["a", ...Array.from({ length: 40 }, (_, i) => `a (${i + 1})`)]) {
    await Deno.writeTextFile(site.tree.at(name), "");
  }
  const { status, files } = await post(site, [['name="f"; filename="a"', "1"], ['name="f"; filename="a"', "2"]]);
  assertEquals([status, files.map(({ name }: { name: string }) => name)], [201, ["a (41)", "a (42)"]]);
  const moved = await site.ask("MOVE", "/a", null, { destination: "/a (1)" });
  assertEquals([moved.status, (await moved.json()).name], [200, "a (1) (1)"]);
  assertEquals([await Deno.readTextFile(site.tree.at("a (41)")), await Deno.readTextFile(site.tree.at("a (42)"))], [
    "1",
    "2",
  ]);
});

Deno.test("a form may have many refused files after many stored ones, with a full stop among them", async () => {
  await using site = await uploads();
  await Deno.writeTextFile(site.tree.at("taken"), "");
  const late = Array.from({ length: 1_002 }, () => ['name="f"; filename="taken"', "x"] as const);
  const { status, detail } = await post(site, [['name="f"; filename="first"', "1"], ...late]);
  assertEquals(status, 400);
  assertStringIncludes(detail, "cannot be stored; the remaining ones were not read");
  assertEquals(await namesBelow(site.tree.path), ["first", "taken"]);
  if (Deno.build.os === "windows") return; // only administrators may create links
  // A dangling link occupies a name, too, which shows when a file is to get it.
  await Deno.symlink("nowhere", site.tree.at("dangling"));
  const links = Array.from({ length: 1_002 }, () => ['name="f"; filename="dangling"', "x"] as const);
  const ended = await post(site, links);
  assertEquals([ended.status, ended.files.at(-1).status, ended.files[0].status], [400, 400, 409]);
  assertStringIncludes(ended.detail, "cannot be stored; the remaining ones were not read");
  assertEquals(await namesBelow(site.tree.path), ["dangling", "first", "taken"]);
});

Deno.test("a body from a custom stream is passed on in pieces", async () => {
  const pieces: number[] = [];
  const request = new Request("http://localhost/", { method: "PUT", body: noise(1_000_000) });
  for await (const { length } of readBody(request.body, { stallMs: 10_000 })) pieces.push(length);
  assert(pieces.every((length) => length <= 262_144), String(pieces));
  assertEquals(pieces.reduce((sum, length) => sum + length), 1_000_000);
});

Deno.test("long work runs in sequence, with a turn for each part", async () => {
  const slices = new SharedSlices();
  const work = () =>
    slices.run(() => {
      for (const end = performance.now() + 5; performance.now() < end;); // longer than a time slice
    });
  assert(!slices.due);
  work();
  assert(slices.due);
  const order: string[] = [];
  const goOn = async (name: string) => {
    await slices.next();
    order.push(`${name}${slices.due ? ", too late" : ""}`);
    work();
  };
  await Promise.all([goOn("first"), goOn("second"), goOn("third")]);
  assertEquals(order, ["first", "second", "third"]);
});

Deno.test("every reader of a body gives up if it stalls", async (t) => {
  await using tree = await tempTree({ "a.txt": "a" });
  const handler = upload(disk(tree.path), { rights: { create: true, change: true }, stallMs: 100 });
  const fetch = toFetch(settle(handler));
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => fetch(request));
  const multipart = "Content-Type: multipart/form-data; boundary=B";
  const begun = '--B\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nabc';
  const rows: readonly [line: string, fields: string[], content: string, status: number, left?: RegExp][] = [
    ["PUT /b.txt", [], "abc", 408],
    ["PUT /b.txt", [], "", 408],
    ["PUT /b.txt?upload=12345678", [], "abc", 408, /\.part$/],
    ["PATCH /b.txt?upload=12345678", ["Upload-Offset: 3"], "", 408, /\.part$/],
    ["DELETE /b.txt?upload=12345678", [], "", 204],
    ["POST /b.txt", ["Upload-Complete: ?0"], "abc", 408],
    ["POST /", [multipart], begun, 408],
    ["POST /", [multipart], "", 408],
    ["MKCOL /made", [], "", 408],
    ["MOVE /a.txt", ["Destination: /c.txt"], "", 201],
    ["DELETE /c.txt", [], "", 204],
  ];
  for (const [line, fields, content, status, left] of rows) {
    await t.step(`${line}${content === "" ? "" : ", after some of it"}: ${status}`, async () => {
      const head = [`${line} HTTP/1.1`, "Host: localhost", "Content-Length: 1000", ...fields, "", ""].join("\r\n");
      using connection = await beginRequest(server.addr.port, head, content);
      const buffer = new Uint8Array(1_000);
      const count = await within(connection.read(buffer), 10_000);
      assertEquals(parseResponse(buffer.subarray(0, count!)).status, status);
      const names = (await namesBelow(tree.path)).filter((name) => !/^[ac]\.txt$/.test(name));
      assertEquals([names.length, names.every((name) => left?.test(name))], [left ? 1 : 0, true]);
    });
  }
});

Deno.test("of two requests to one upload, the second begins where the first ended, even without locks", async () => {
  const { prototype } = Deno.FsFile;
  const { tryLockSync, write } = prototype;
  prototype.tryLockSync = () => {
    throw new Deno.errors.NotSupported("There are no locks, as on some networks");
  };
  // A slow disk, so that the first request is still running when the second one starts.
  prototype.write = async function (this: Deno.FsFile, bytes) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    return await write.call(this, bytes);
  };
  try {
    await using site = await uploads();
    const fields = (offset: number, complete: string) => ({
      "content-type": "application/partial-upload",
      "upload-offset": String(offset),
      "upload-complete": complete,
    });
    const asked = Promise.withResolvers<void>();
    let pulls = 0;
    const hanging = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(1_000));
        else asked.resolve(); // the first piece has been taken, and the next never comes
      },
    }, { highWaterMark: 0 });
    const first = site.ask("PATCH", "/a.bin?upload=abcdefgh", hanging, fields(0, "?0"));
    await within(asked.promise, 20_000);
    const second = await within(site.ask("PATCH", "/a.bin?upload=abcdefgh", "0123456789", fields(1_000, "?1")), 20_000);
    const told = await within(first, 20_000);
    assertEquals([told.status, second.status], [409, 201]);
    for (const response of [told, second]) await response.body?.cancel();
    assertEquals((await Deno.stat(site.tree.at("a.bin"))).size, 1_010);
  } finally {
    Object.assign(prototype, { tryLockSync, write });
  }
});
