/** Writing to an object store, with conditions and without. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type FileSource, HttpError, SitePath, toFetch, upload } from "@x/pyserve";
import type { PartFile, SourceWriter } from "@x/pyserve/sources";
import { AppendRefused, Store, type UploadPiece } from "@x/pyserve/store";
import type { StoreClient } from "../../../handlers/sources/s3/client.ts";
import { pagesOf } from "../../../handlers/sources/s3/pages.ts";
import { noise } from "../../support/bytes.ts";
import { runCommand, start } from "../../support/command.ts";
import { conditional, type FaultyStore, faultyStore, storeError } from "../../support/faulty_store.ts";
import { pathOf } from "../../support/source.ts";
import { KEYS, put } from "../../support/swift.ts";
import { FIRST_TREE, type Tree, tryRandomOperations } from "../../store/random_operations.ts";
import { ALL, bytes, pieceOf, refusal } from "../../store/support.ts";
import { source, store, test } from "./support.ts";

/** A part and a rest. */
const LARGE = noise(5 * 1024 * 1024 + 500_000);

let buckets = 0;

/** An empty bucket, perhaps behind a proxy. */
async function empty(proxy?: FaultyStore): Promise<Place> {
  const name = `writing-${++buckets}`;
  const client = await store.swift.bucket(name);
  const endpoint = proxy?.endpoint ?? store.swift.endpoint;
  return { client, open: () => source({ bucket: name, endpoint }), name };
}

interface Place {
  readonly name: string;
  readonly client: StoreClient;
  /** A source as of another process. */
  open(): FileSource;
}

/** The keys in a bucket, and those that are uploaded in parts. */
async function keysIn(client: StoreClient): Promise<string[]> {
  const keys: string[] = [];
  for await (const { objects } of pagesOf(client, { prefix: "", isFlat: false })) {
    keys.push(...objects.map(({ key }) => key));
  }
  const uploads = await client.text({ method: "GET", query: { uploads: "" } });
  return [...keys, ...[...uploads.matchAll(/<Key>([^<]*)/g)].map(([, key]) => `unfinished ${key}`)];
}

async function contentOf(client: StoreClient, key: string): Promise<Uint8Array> {
  return await (await client.send({ method: "GET", key })).bytes();
}

async function textOf(client: StoreClient, key: string): Promise<string> {
  return new TextDecoder().decode(await contentOf(client, key));
}

const filesOf = ({ open }: Place) => new Store(open()).as(ALL);

/** The stores: what they evaluate, and what does that. */
const STORES: Readonly<Record<string, (proxy: FaultyStore) => void>> = {
  "with conditions": (proxy) => proxy.fault = conditional(store.swift.endpoint),
  "without conditions": () => {}, // refused in PUT; at the end of an upload in parts, Swift evaluates them, but not atomically
};

for (const [title, arrange] of Object.entries(STORES)) {
  test(`files are created, replaced and renamed: ${title}`, async () => {
    await using proxy = faultyStore(store.swift.endpoint);
    arrange(proxy);
    const place = await empty(proxy);
    const files = filesOf(place);
    const first = await files.create(pathOf("d/a.txt"), bytes("one"));
    assertEquals([first.replaced, first.stat.size, first.path.text], [false, 3, "/d/a.txt"]);
    assertEquals(await refusal(files.create(pathOf("d/a.txt"), bytes("two"))), "taken");
    assertEquals(
      (await files.create(pathOf("d/a.txt"), bytes("two"), { onConflict: "rename" })).path.name,
      "a (1).txt",
    );
    const { version } = first.stat;
    const second = await files.replace(pathOf("d/a.txt"), bytes("three"), { expected: version });
    assertEquals([second.replaced, second.stat.version === version], [true, false]);
    assertEquals(await refusal(files.replace(pathOf("d/a.txt"), bytes("four"), { expected: version })), "changed");
    assertEquals(await refusal(files.create(pathOf("d"), bytes("x"))), "directory");
    assertEquals(await refusal(files.create(pathOf("d/a.txt/b"), bytes("x"))), "not a directory");
    assertEquals(
      await refusal(files.create(pathOf(`d/${"k".repeat(250)}/`.repeat(5) + "x").sibling("x")!, bytes("x"))),
      "name",
    );
    assertEquals((await files.create(pathOf("empty"), [])).stat.size, 0);
    assertEquals(await keysIn(place.client), ["d/a (1).txt", "d/a.txt", "empty"]);
    assertEquals(await textOf(place.client, "d/a.txt"), "three");
    const { headers } = await place.client.send({ method: "HEAD", key: "d/a.txt" });
    assertEquals(headers.get("content-type"), "text/plain; charset=utf-8"); // for others who read the bucket
  });

  test(`of several who create the same name, one succeeds: ${title}`, async () => {
    await using proxy = faultyStore(store.swift.endpoint);
    arrange(proxy);
    const place = await empty(proxy);
    const isExclusive = (await place.open().openWriter!()).isExclusive;
    assertEquals(isExclusive, title === "with conditions");
    // Without conditions, this holds within one process only.
    const one = filesOf(place);
    const all = Array.from(
      { length: 6 },
      (_, n) => (isExclusive ? filesOf(place) : one).create(pathOf("x"), bytes(`${n}`)),
    );
    const results = await Promise.allSettled(all);
    const winners = results.flatMap(({ status }, n) => status === "fulfilled" ? [`${n}`] : []);
    assertEquals(winners, [await textOf(place.client, "x")]);
  });
}

test("a large file is stored in parts, and leaves nothing else", async () => {
  const place = await empty();
  const committed = await filesOf(place).create(pathOf("large.bin"), [LARGE]);
  assertEquals([committed.stat.size, committed.stat.kind], [LARGE.length, "file"]);
  assertEquals(await contentOf(place.client, "large.bin"), LARGE);
  assertEquals(await keysIn(place.client), ["large.bin"]);
  assertEquals((await place.open().stat(pathOf("large.bin")))!.version, committed.stat.version);
});

test("an upload that breaks off, or that the store refuses, leaves nothing", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const place = await empty(proxy);
  const files = filesOf(place);
  await files.create(pathOf("first"), bytes("x"));
  const broken = function* () {
    yield LARGE;
    throw new Error("gone");
  };
  await assertRejects(() => files.create(pathOf("large.bin"), broken()), Error, "gone");
  assertEquals(await keysIn(place.client), ["first"]);
  for (const isFailing of [/^PUT .*\/part-/, /^PUT .*partNumber=2/, /^POST .*uploadId=/, /^POST .*uploads=/]) {
    proxy.fault = (request) =>
      isFailing.test(`${request.method} ${request.url}`) ? storeError(500, "InternalError") : null;
    const error = await assertRejects(() => files.create(pathOf("large.bin"), [LARGE]), HttpError);
    assertEquals([error.status, error.message], [502, "The file store failed"]);
    assertEquals(await keysIn(place.client), ["first"], String(isFailing));
  }
});

test("requests that fail twice are sent again, and one that succeeded without an answer is recognized", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const evaluated = conditional(store.swift.endpoint);
  proxy.fault = evaluated;
  const place = await empty(proxy);
  const files = filesOf(place);
  await files.create(pathOf("first"), bytes("x"));
  const seen = new Set<string>();
  proxy.fault = (request, pass) => {
    const isRepeated = seen.has(`${request.method} ${request.url}`);
    seen.add(`${request.method} ${request.url}`);
    const answer = evaluated(request, pass);
    if (isRepeated || request.method === "HEAD") return answer;
    return Promise.resolve(answer ?? pass()).then(async (response) => {
      await response.body?.cancel();
      return storeError(500, "InternalError"); // done, but it says otherwise
    });
  };
  await files.create(pathOf("small"), bytes("once"));
  assertEquals(await textOf(place.client, "small"), "once");
  await files.create(pathOf("large"), [LARGE]);
  assertEquals(await contentOf(place.client, "large"), LARGE);
  await files.remove(pathOf("small"));
  assertEquals((await keysIn(place.client)).filter((key) => !key.startsWith("unfinished")), ["first", "large"]);
});

/** A piece of a resumable upload of {@linkcode LARGE}. */
function piece(content: Uint8Array, offset: number, rest: Partial<UploadPiece> = {}): UploadPiece {
  const chunks = async function* () {
    yield content;
  };
  return pieceOf("", offset, { content: chunks, sent: content.length, length: LARGE.length, ...rest });
}

test("a resumable upload is continued by other processes, whatever the size of its pieces", async () => {
  const place = await empty();
  const key = { path: pathOf("d/large.bin"), id: "an upload" };
  const cuts = [0, 1_000_000, 5_300_000, LARGE.length];
  assertEquals(await filesOf(place).progress(key), null);
  for (const [index, start] of cuts.slice(0, -1).entries()) {
    const end = cuts[index + 1]!;
    const files = filesOf(place);
    const appended = await files.append(key, piece(LARGE.subarray(start, end), start));
    if (end === LARGE.length) assertEquals(appended.committed?.path.text, "/d/large.bin");
    else assertEquals(await files.progress(key), { size: end, length: LARGE.length, finished: null });
    const wrong = await assertRejects(
      () => files.append(key, piece(LARGE.subarray(0, 5), 5, { length: null })),
      AppendRefused,
    );
    assertEquals(wrong.problem.kind, end === LARGE.length ? "complete" : "offset");
  }
  assertEquals(await contentOf(place.client, "d/large.bin"), LARGE);
  assertEquals((await filesOf(place).progress(key))?.finished?.text, "/d/large.bin");
  await filesOf(place).cancel(key); // only the record is left
  assertEquals(await keysIn(place.client), ["d/large.bin"]);
});

test("a piece that breaks off keeps what has arrived; one that fails its check is discarded", async () => {
  const place = await empty();
  const key = { path: pathOf("a"), id: "id" };
  const broken = piece(LARGE, 0, {
    content: async function* () {
      yield LARGE.subarray(0, 5_400_000);
      throw new Error("gone");
    },
  });
  await assertRejects(() => filesOf(place).append(key, broken), Error, "gone");
  assertEquals((await filesOf(place).progress(key))?.size, 5_400_000);
  const check = {
    update() {},
    check: () => {
      throw new RangeError("digest");
    },
  };
  await assertRejects(
    () => filesOf(place).append(key, piece(LARGE.subarray(5_400_000), 5_400_000, { check })),
    RangeError,
  );
  assertEquals((await filesOf(place).progress(key))?.size, 5_400_000);
  const seen: Uint8Array[] = [];
  const whole = { update: (bytes: Uint8Array) => void seen.push(bytes.slice()), check() {} };
  await filesOf(place).append(key, piece(LARGE.subarray(5_400_000), 5_400_000, { digest: "x", checkOf: () => whole }));
  assertEquals(new Uint8Array(await new Blob(seen as Uint8Array<ArrayBuffer>[]).arrayBuffer()), LARGE);
  assertEquals(await contentOf(place.client, "a"), LARGE);
});

test("whoever opens an upload last owns it", async () => {
  const place = await empty();
  const path = pathOf("a");
  const [one, two] = await Promise.all([place.open().openWriter!(), place.open().openWriter!()]) as [
    SourceWriter,
    SourceWriter,
  ];
  const first = await one.create(path, "id");
  await first.write(LARGE);
  await first.keep();
  const stale = await one.resume(path, "id") as PartFile;
  const current = await two.resume(path, "id") as PartFile;
  assertEquals([stale.size, current.size], [LARGE.length, LARGE.length]);
  await stale.write(LARGE); // a request whose client has gone, and which does not know yet
  await current.write(new Uint8Array([1, 2, 3]));
  assertEquals(await refusal(stale.commit({ paths: [path], replace: false })), "busy");
  await stale.discard();
  const { stat } = await current.commit({ paths: [path], replace: false });
  assertEquals(stat.size, LARGE.length + 3);
  assertEquals((await contentOf(place.client, "a")).slice(LARGE.length), new Uint8Array([1, 2, 3]));
});

test("directories are made, copied, moved and deleted, and stay when the last file has gone", async () => {
  const place = await empty();
  const files = filesOf(place);
  await files.makeDirectory(pathOf("d"));
  assertEquals(await refusal(files.makeDirectory(pathOf("d"))), "taken");
  assertEquals(await refusal(files.makeDirectory(pathOf("none/d"))), "no directory");
  await files.create(pathOf("d/a.txt"), bytes("a"));
  await files.create(pathOf("d/e/bß.txt"), bytes("b"));
  await files.copy(pathOf("d"), pathOf("copy"));
  assertEquals(await keysIn(place.client), [
    "copy/",
    "copy/a.txt",
    "copy/e/",
    "copy/e/bß.txt",
    "d/",
    "d/a.txt",
    "d/e/bß.txt",
  ]);
  assertEquals(await refusal(files.move(pathOf("d"), pathOf("d/e/f"))), "inside itself");
  assertEquals(await refusal(files.move(pathOf("d"), pathOf("copy"))), "taken");
  await files.move(pathOf("d"), pathOf("moved"));
  await files.move(pathOf("copy/a.txt"), pathOf("moved/e/a.txt"));
  await files.move(pathOf("copy/e/bß.txt"), pathOf("b.txt"));
  assertEquals(await refusal(files.move(pathOf("b.txt"), pathOf("moved/a.txt"))), "taken");
  await files.move(pathOf("b.txt"), pathOf("moved/a.txt"), { onConflict: "overwrite" });
  assertEquals(await keysIn(place.client), [
    "copy/",
    "copy/e/",
    "moved/",
    "moved/a.txt",
    "moved/e/a.txt",
    "moved/e/bß.txt",
  ]);
  assertEquals(await textOf(place.client, "moved/a.txt"), "b");
  assertEquals(await refusal(files.remove(pathOf("moved"))), "not empty");
  await files.remove(pathOf("moved/e/a.txt"));
  await files.remove(pathOf("moved/e/bß.txt"));
  assertEquals((await place.open().stat(pathOf("moved/e")))?.kind, "directory");
  await files.remove(pathOf("moved"), { recursive: true });
  await files.remove(pathOf("copy/e"));
  await files.remove(pathOf("copy"));
  assertEquals(await keysIn(place.client), []);
  assertEquals(await refusal(files.remove(pathOf("copy"))), "absent");
});

test("a file that changes while it is moved or deleted is not lost", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const place = await empty(proxy);
  const files = filesOf(place);
  const { stat: { version } } = await files.create(pathOf("a"), bytes("old"));
  let isReplaced = false;
  proxy.fault = (request, pass) => {
    if (request.method !== "DELETE" || isReplaced) return null;
    isReplaced = true;
    return put(place.client, "a", "new").then(() => pass());
  };
  await files.move(pathOf("a"), pathOf("b"));
  assertEquals([await textOf(place.client, "a"), await textOf(place.client, "b")], ["new", "old"]);
  assertEquals(await refusal(files.remove(pathOf("a"), { expected: version })), "changed");
  assertEquals(await textOf(place.client, "a"), "new");
});

test("the state of uploads is neither served nor listed, and is removed when it expires", async () => {
  const place = await empty();
  await filesOf(place).append({ path: pathOf("a"), id: "x" }, piece(LARGE.subarray(0, 10), 0));
  const served = place.open();
  const state = (await keysIn(place.client))[0]!;
  assert(state.startsWith(".pyserve/uploads/"), state);
  assertEquals(await served.stat(pathOf(state)), null);
  assertEquals(await served.list(pathOf(".pyserve")), null);
  const names: string[] = [];
  for await (const slice of (await served.list(SitePath.root))!) names.push(...slice.map(({ name }) => name));
  assertEquals(names, []);
  const writer = await served.openWriter!();
  assertEquals(await refusal(writer.create(pathOf(state), "y")), "name");
  assertEquals(await writer.sweep(3_600_000), 0);
  assertEquals(await writer.sweep(-3_600_000), 1);
  assertEquals(await keysIn(place.client), []);
});

test("uploads over HTTP: PUT with conditions, forms, and pieces", async () => {
  const place = await empty();
  const fetch = toFetch(upload(place.open(), { rights: { create: true, change: true } }));
  const ask = (method: string, path: string, body?: BodyInit, headers: HeadersInit = {}) =>
    fetch(new Request(`http://localhost${path}`, { method, headers, ...(body !== undefined && { body }) }));
  const created = await ask("PUT", "/d/a.txt", "hello");
  assertEquals([created.status, created.headers.get("location")], [201, "a.txt"]);
  const etag = created.headers.get("etag")!;
  assertEquals((await ask("PUT", "/d/a.txt", "again", { "if-none-match": "*" })).status, 412);
  assertEquals((await ask("PUT", "/d/a.txt", "again", { "if-match": etag })).status, 204);
  assertEquals((await ask("PUT", "/d/a.txt", "third", { "if-match": etag })).status, 412);
  const form = new FormData();
  form.append("file", new File(["in a form"], "f.txt"));
  const posted = await ask("POST", "/d/", form, { accept: "application/json" });
  assertEquals(posted.status, 201, await posted.text());
  assertEquals(await textOf(place.client, "d/f.txt"), "in a form");
  assertEquals((await ask("DELETE", "/d/f.txt")).status, 204);
  assertEquals(await keysIn(place.client), ["d/a.txt"]);
});

test("the command takes uploads, unless the store cannot refuse a name that is taken", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const { name, client } = await empty();
  proxy.fault = conditional(store.swift.endpoint);
  const env = (endpoint: string) => ({
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    AWS_ENDPOINT_URL: endpoint,
  });
  await using command = await start([`s3://${name}/in`, "--upload"], { env: env(proxy.endpoint) });
  const put = async (body: string) => {
    const response = await fetch(`http://127.0.0.1:${command.port}/d/a.txt`, { method: "PUT", body });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await put("one"), await put("two")], [201, 409]);
  assertEquals([await keysIn(client), await textOf(client, "in/d/a.txt")], [["in/d/a.txt"], "one"]);
  proxy.fault = null;
  const refused = await runCommand([`s3://${name}`, "--upload"], { env: env(proxy.endpoint) });
  assertEquals([refused.code, refused.stderr.includes("use --on-conflict rename")], [1, true], refused.stderr);
  await using _other = await start([`s3://${name}`, "--upload", "--on-conflict", "rename"], {
    env: env(proxy.endpoint),
  });
  proxy.fault = (request) => request.method === "PUT" ? storeError(403, "AccessDenied") : null;
  const denied = await runCommand([`s3://${name}`, "--upload"], { env: env(proxy.endpoint) });
  assertEquals(
    [denied.code, denied.stderr.includes("Cannot take uploads: permission denied (")],
    [1, true],
    denied.stderr,
  );
});

test("random operations leave what a model says, and what is denied changes nothing", async () => {
  const { client, open } = await empty();
  for (const [key, content] of Object.entries(FIRST_TREE)) await put(client, key, content);
  const tree = async () => {
    const found: Tree = {};
    for (const key of await keysIn(client)) {
      const names = key.split("/");
      for (let depth = 1; depth < names.length; depth++) found[names.slice(0, depth).join("/")] = null;
      if (!key.endsWith("/")) found[key] = await textOf(client, key);
    }
    return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
  };
  await tryRandomOperations({ source: open(), tree }, { seed: 1, turns: 25 });
});
