/** Reading from an object store, as it is and behind a proxy that fails. */

import { join } from "@std/path/join";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type FileSource, SitePath } from "@x/pyserve";
import { FileChanged, type S3Options } from "@x/pyserve/sources";
import { pagesOf } from "../../../handlers/sources/s3/pages.ts";
import { S3Source } from "../../../handlers/sources/s3/source.ts";
import { noise } from "../../support/bytes.ts";
import { clockAhead } from "../../support/clock.ts";
import { runCommand, start, startProcess } from "../../support/command.ts";
import { cutAfter, faultyStore, storeError } from "../../support/faulty_store.ts";
import { ROOT } from "../../support/paths.ts";
import { pathOf } from "../../support/source.ts";
import { clientOf, KEYS, put } from "../../support/swift.ts";
import { tempTree } from "../../support/tree.ts";
import { LARGE, serving, source, store, test } from "./support.ts";

async function namesIn(source: FileSource, directory = ""): Promise<string[] | null> {
  const slices = await source.list(directory === "" ? SitePath.root : pathOf(directory));
  if (slices === null) return null;
  const names: string[] = [];
  for await (const slice of slices) {
    names.push(...slice.map(({ name, stat }) => stat?.kind === "directory" ? `${name}/` : name));
  }
  return names.sort();
}

async function statusAndText(answer: Promise<Response>): Promise<[number, string]> {
  const response = await answer;
  return [response.status, await response.text()];
}

test("files, indexes, listings, ranges, validators and HEAD are as on disk", async () => {
  const ask = serving(source({ prefix: "site" }));
  assertEquals(await statusAndText(ask("/")), [200, "<h1>Site"]);
  const file = await ask("/docs/a%20b+c.txt");
  assertEquals([file.headers.get("content-type"), await file.text()], ["text/plain; charset=utf-8", "0123456789"]);
  const [etag, modified] = ["etag", "last-modified"].map((name) => file.headers.get(name)!);
  assert(etag!.startsWith('"781e5e245d69b566979b86e28d23f2c7'), etag); // the store's own, which is strong
  assert(Math.abs(Date.parse(modified!) - Date.now()) < 600_000, modified);
  const range = await ask("/docs/a%20b+c.txt", { headers: { range: "bytes=2-4", "if-range": etag! } });
  assertEquals([range.status, range.headers.get("content-range"), await range.text()], [206, "bytes 2-4/10", "234"]);
  for (const headers of [{ "if-none-match": etag! }, { "if-modified-since": modified! }]) {
    assertEquals((await ask("/docs/a%20b+c.txt", { headers })).status, 304);
  }
  assertEquals(await statusAndText(ask("/docs/a%20b+c.txt", { headers: { "if-match": '"x"' } })), [
    412,
    "412 Precondition Failed: The file does not match the conditions of the request\n",
  ]);
  const head = await ask("/large.bin", { method: "HEAD" });
  assertEquals([head.headers.get("content-length"), await head.text()], ["3000000", ""]);
  assertEquals(await (await ask("/large.bin")).bytes(), LARGE);
  const several = await (await ask("/large.bin", { headers: { range: "bytes=0-1,2999998-" } })).text();
  assertStringIncludes(several, "bytes 2999998-2999999/3000000");
  assertEquals(await statusAndText(ask("/empty")), [200, ""]);
  const listing = await (await ask("/docs/", { headers: { accept: "application/json" } })).json();
  assertEquals(listing.entries.map(({ name, size }: { name: string; size: number }) => [name, size]), [
    ["deep", null],
    ["a b+c.txt", 10],
    ["ü&<'\">.txt", 6],
  ]);
  assertEquals((await ask("/docs")).headers.get("location"), "docs/");
  for (const path of ["/none", "/docs/none/", "/docs/a%20b+c.txt/", "/marke"]) {
    assertEquals((await statusAndText(ask(path)))[0], 404, path);
  }
});

test("archives can be resumed; search and checksums work", async () => {
  const ask = serving(source({ prefix: "site" }));
  const archive = await ask("/docs/?archive=zip");
  const [etag, bytes] = [archive.headers.get("etag")!, await archive.bytes()];
  assertEquals(archive.headers.get("content-length"), String(bytes.length));
  const rest = await ask("/docs/?archive=zip", { headers: { range: "bytes=100-", "if-range": etag } });
  assertEquals([rest.status, await rest.bytes()], [206, bytes.slice(100)]);
  assertStringIncludes(new TextDecoder().decode(bytes), "docs/deep/er/x.txt");
  const found = await (await ask("/docs/?q=x.txt", { headers: { accept: "application/json" } })).json();
  assertEquals(found.results.map(({ path }: { path: string }) => path), ["deep/er/x.txt"]);
  const sum = await (await ask("/docs/a%20b+c.txt?sha256")).text();
  assertStringIncludes(sum, "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
});

test("keys of all kinds: what a URL can name is served under its name, and nothing else", async () => {
  const bucket = await store.swift.bucket("keys");
  const long = "k".repeat(1_024);
  const keys = ["a", "a/x", "a-b", "case", "CASE", "ctl\x01\x1f\n\x7f", "x//y", "/lead", "z/", "%41", "a+b", "é", long];
  for (const key of keys) await put(bucket, key, `<${key}>`);
  for (const pageKeys of [1, 2, 3, 1_000]) {
    const paged = new S3Source({ client: bucket, prefix: "", pageKeys }, 0);
    const names = ["a", "a-b", "case", "CASE", "ctl\x01\x1f\n\x7f", "x/", "z/", "%41", "a+b", "é", long];
    assertEquals(await namesIn(paged), names.sort()); // the directory "a" yields to the file, on whatever page it is
    assertEquals(await namesIn(paged, "x"), []);
    assertEquals(await namesIn(paged, "z"), []);
    assertEquals(await namesIn(paged, "none"), null);
  }
  const ask = serving(source({ bucket: "keys" }));
  for (const name of ["a", "a-b", "case", "CASE", "ctl\x01\x1f\n\x7f", "%41", "a+b", "é", long]) {
    assertEquals(await statusAndText(ask(`/${encodeURIComponent(name)}`)), [200, `<${name}>`]);
  }
  assertEquals(await statusAndText(ask("/a/x")), [200, "<a/x>"]);
  assertEquals(await statusAndText(ask("//lead")).then(([status]) => status), 404);
  assertEquals((await statusAndText(ask("/x//y")))[0], 404);
  assertEquals((await statusAndText(ask(`/${long}k`)))[0], 404);
  assertEquals((await statusAndText(ask("/a/%2e%2e/%2e%2e/pyserve/site/index.html")))[0], 404);
});

test("what is wrong with the store is one sentence for the client, and more in the log", async () => {
  const wrong = { ...KEYS, secretAccessKey: "wrong" };
  const cases: readonly (readonly [Partial<S3Options>, number, string, string])[] = [
    [{ bucket: "none" }, 502, "The file store has no such bucket", "NoSuchBucket"],
    [{ credentials: wrong }, 502, "The file store refused the keys of this server", "SignatureDoesNotMatch"],
    [{ credentials: { ...KEYS, accessKeyId: "x" } }, 502, "The file store refused the keys of this server", "403"],
    [{ endpoint: "http://127.0.0.1:1" }, 502, "The file store cannot be reached", "s3://pyserve/a"],
  ];
  for (const [options, status, sentence, logged] of cases) {
    for (const path of ["/a", "/"]) {
      const errors: string[] = [];
      const [actual, text] = await statusAndText(serving(source(options), errors)(path));
      assertEquals([actual, text.includes(`${sentence}\n`), text.includes("127.0.0.1")], [status, true, false], text);
      if (path === "/a") assertStringIncludes(errors.join(), logged);
    }
  }
});

test("a clock that is off is corrected by that of the store", async () => {
  using _clock = clockAhead(3_600_000);
  await using proxy = faultyStore(store.swift.endpoint);
  const skewed = source({ endpoint: proxy.endpoint, prefix: "site" });
  assertEquals(await statusAndText(serving(skewed)("/docs/a%20b+c.txt")), [200, "0123456789"]);
  const count = proxy.requests.length;
  await (await serving(skewed)("/docs/a%20b+c.txt")).body?.cancel();
  assertEquals(proxy.requests.slice(count).length, 1, "it is still known, and the content is in memory");
});

test("a small file is requested once, and the store is asked for its version each time", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const ask = serving(source({ endpoint: proxy.endpoint }));
  const bucket = clientOf(store.swift.endpoint, "pyserve");
  await put(bucket, "changing.txt", "first");
  for (const _ of [1, 2]) assertEquals(await statusAndText(ask("/changing.txt")), [200, "first"]);
  assertEquals(proxy.requests, ["HEAD", "GET", "HEAD"].map((method) => `${method} /pyserve/changing.txt`));
  await put(bucket, "changing.txt", "second");
  assertEquals(await statusAndText(ask("/changing.txt")), [200, "second"]);
});

test("a store that is overloaded or fails is asked a few times, then it is 503 or 502", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const errors: string[] = [];
  const ask = serving(source({ endpoint: proxy.endpoint, prefix: "site", cacheBytes: 0 }), errors);
  for (const [status, code] of [[503, "SlowDown"], [500, "InternalError"]] as const) {
    let left = 2;
    proxy.fault = () => left-- > 0 ? storeError(status, code) : null;
    assertEquals(await statusAndText(ask("/docs/a%20b+c.txt")), [200, "0123456789"]);
  }
  for (const [status, code, expected] of [[503, "SlowDown", 503], [500, "InternalError", 502]] as const) {
    proxy.requests.length = 0;
    proxy.fault = (request) => request.method === "HEAD" ? null : storeError(status, code);
    const response = await ask("/docs/a%20b+c.txt");
    assertEquals([response.status, response.headers.get("retry-after")], [expected, expected === 503 ? "2" : null]);
    assertStringIncludes(await response.text(), expected === 503 ? "overloaded" : "The file store failed");
    assertEquals(proxy.requests.length, 5, "one look, and four attempts");
    assertStringIncludes(errors.join(), code);
  }
});

test("content that is cut off is continued, as long as it is the same version", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const bucket = clientOf(store.swift.endpoint, "pyserve");
  await put(bucket, "cut.bin", LARGE);
  const ask = serving(source({ endpoint: proxy.endpoint }));
  let cuts = 3;
  proxy.fault = (request, pass) =>
    request.method === "GET" && cuts-- > 0 ? pass().then((r) => cutAfter(r, 500_000)) : null;
  assertEquals(await (await ask("/cut.bin")).bytes(), LARGE);
  cuts = 1;
  const part = await ask("/cut.bin", { headers: { range: "bytes=1000000-2999999" } });
  assertEquals(await part.bytes(), LARGE.slice(1_000_000));
  cuts = Infinity;
  proxy.requests.length = 0;
  proxy.fault = (request, pass) => request.method === "GET" ? pass().then((r) => cutAfter(r, 1)) : null;
  await assertRejects(async () => await (await ask("/cut.bin")).bytes(), Error);
  assertEquals(proxy.requests.length, 10, "one look, and nine attempts");
  let isReplaced = false;
  proxy.fault = (request, pass) => {
    if (request.method !== "GET" || isReplaced) return null;
    isReplaced = true;
    return pass().then(async (response) => {
      await put(bucket, "cut.bin", noise(3_000_000));
      return await cutAfter(response, 500_000);
    });
  };
  // Never a mixture of two versions.
  await assertRejects(async () => await (await ask("/cut.bin")).bytes(), Error);
});

test("a file that changes or vanishes between a look and the request is looked up again", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const bucket = clientOf(store.swift.endpoint, "pyserve");
  const ask = serving(source({ endpoint: proxy.endpoint, cacheBytes: 0 }));
  const between = (change: () => Promise<void>) => {
    let isDone = false;
    proxy.fault = (request, pass) => {
      if (request.method !== "GET" || isDone) return null;
      isDone = true;
      return change().then(() => pass());
    };
  };
  await put(bucket, "moving.txt", "before");
  between(() => put(bucket, "moving.txt", "after!"));
  assertEquals(await statusAndText(ask("/moving.txt")), [200, "after!"]);
  between(async () => void await bucket.send({ method: "DELETE", key: "moving.txt" }));
  assertEquals((await statusAndText(ask("/moving.txt")))[0], 404);
  await put(bucket, "moving.txt", "before");
  proxy.fault = (request, pass) => {
    if (request.method !== "GET") return null;
    return pass().then((response) => new Response(response.body, { status: 200, headers: { etag: '"another"' } }));
  };
  const unconditional = source({ endpoint: proxy.endpoint, cacheBytes: 0 });
  const seen = await unconditional.stat(pathOf("moving.txt"));
  await assertRejects(
    async () => await unconditional.open(pathOf("moving.txt"), seen!, { start: 0, end: 6 }),
    FileChanged,
  );
});

test("a store that hangs is 504; answers that are none are 502", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const impatient = serving(source({ endpoint: proxy.endpoint, prefix: "site", timeoutMs: 60, cacheBytes: 0 }));
  const ask = serving(source({ endpoint: proxy.endpoint, prefix: "site", cacheBytes: 0 }));
  const waiting = Promise.withResolvers<Response>();
  proxy.fault = () => waiting.promise;
  assertEquals((await statusAndText(impatient("/docs/a%20b+c.txt")))[0], 504);
  waiting.resolve(new Response());
  const answers = ["", "<html><body>Proxy", '<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult/>', "<ListBucketResult>"];
  for (const body of [...answers, "<ListBucketResult><Contents><Key>site/a</Key></Contents></ListBucketResult>"]) {
    proxy.fault = (request) => request.url.includes("list-type") ? new Response(body) : null;
    const [status, text] = await statusAndText(ask("/docs/"));
    assertEquals([status, text.includes("invalid answer")], [502, true], body);
  }
  proxy.fault = (request) =>
    request.method === "GET" ? new Response("x", { headers: { "content-length": "1" } }) : null;
  const [status] = await statusAndText(ask("/docs/a%20b+c.txt", { headers: { range: "bytes=2-4" } }));
  assertEquals(status, 502);
});

test("a client that leaves ends the request to the store", async () => {
  await using proxy = faultyStore(store.swift.endpoint);
  const ended = Promise.withResolvers<void>();
  proxy.fault = (request) => {
    if (request.method !== "GET") return null;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
      cancel: () => ended.resolve(),
    });
    return new Response(body, { headers: { "content-length": String(LARGE.length) } });
  };
  const response = await serving(source({ endpoint: proxy.endpoint, prefix: "site" }))("/large.bin");
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await ended.promise;
});

test("pages of keys are read one after the other", async () => {
  const pages: number[] = [];
  for await (const { objects } of pagesOf(store.client, { prefix: "site/", isFlat: false, most: 2 })) {
    pages.push(objects.length);
  }
  assertEquals(pages, [2, 2, 2, 1]);
});

test("the command serves s3://BUCKET/DIRECTORY with what AWS's tools use", async () => {
  await using home = await tempTree({
    ".aws/credentials":
      `[work]\naws_access_key_id = ${KEYS.accessKeyId}\naws_secret_access_key=${KEYS.secretAccessKey}\n`,
    ".aws/config":
      `# comment\n[profile work]\nregion = us-east-1\nendpoint_url = ${store.swift.endpoint}\ns3 =\n  addressing_style = path\n`,
  });
  const clean = { AWS_ACCESS_KEY_ID: "", AWS_ENDPOINT_URL: "", AWS_PROFILE: "", HOME: home.path };
  const keys = { AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey };
  const variables = { ...clean, ...keys, AWS_ENDPOINT_URL: store.swift.endpoint };
  for (const env of [variables, { ...clean, AWS_PROFILE: "work" }]) {
    await using command = await start(["s3://pyserve/site/"], { env });
    const url = `http://127.0.0.1:${command.port}`;
    assertEquals(await (await fetch(`${url}/docs/deep/er/x.txt`)).text(), "deep");
    assertEquals(await (await fetch(`${url}/large.bin`)).bytes(), LARGE);
  }
  const refused = async (args: readonly string[], env: Record<string, string>, status = 1) => {
    const { code, stderr } = await runCommand(args, { env, cwd: home.path });
    assertEquals([code, stderr.trim().split("\n").length], [status, 1], stderr);
    return stderr;
  };
  assertStringIncludes(await refused(["s3://none"], variables), "the file store has no such bucket (");
  assertStringIncludes(await refused(["s3://pyserve"], clean), "has no keys for the file store (set AWS_ACCESS_KEY_ID");
  assertStringIncludes(await refused(["s3://"], variables, 2), "the name of the bucket is missing");
  assertStringIncludes(await refused(["s3://pyserve//x"], variables), 'Cannot use the prefix "/x"');
  assertStringIncludes(await refused(["s3://pyserve", "--cgi"], variables), "they have to be on disk");
  await Deno.writeTextFile(home.at("pyserve.json"), '{"directory": "s3://pyserve"}');
  const { code, stderr } = await runCommand([], { env: variables, cwd: home.path });
  assertEquals([code, stderr.includes("is only accepted from a file that is named")], [2, true], stderr);
});

test("the example runs under deno serve without permissions for files", async () => {
  const env = {
    BUCKET: "pyserve",
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    AWS_ENDPOINT_URL: store.swift.endpoint,
  };
  const args = [
    "serve",
    "--no-lock",
    "--no-prompt",
    "--allow-net",
    "--allow-env",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
  ];
  await using server = await startProcess(Deno.execPath(), [...args, join(ROOT, "examples/bucket.ts")], { env });
  const url = `http://127.0.0.1:${server.port}/site`;
  assertEquals(await (await fetch(`${url}/docs/deep/er/x.txt`)).text(), "deep");
  const listing = await fetch(`${url}/docs/deep/`, { headers: { accept: "text/html" } });
  assertStringIncludes(await listing.text(), "er/");
  assertStringIncludes(await (await fetch(`${url}/docs/?q=x.txt&format=text`)).text(), "deep/er/x.txt");
  assertEquals((await (await fetch(`${url}/docs/?archive=tar`)).bytes()).length % 512, 0);
  assertEquals(server.stderr().includes("error"), false, server.stderr());
});
