/** Writing over WebDAV: what RFC 4918 demands beyond the requests of pages and scripts. */

import { assert, assertEquals } from "@std/assert";
import { davFeature, lockTable, propertyTable } from "../../handlers/mod.ts";
import { derive, fileServer, type Layer, toFetch, uploadFeatures } from "../../mod.ts";
import type { StoreRights } from "../../handlers/store/access.ts";
import { treeOf } from "../store/support.ts";
import { tempTree } from "../support/tree.ts";
import { type Fetch, reportedBy, send, statusOf } from "./support.ts";

const ALL: StoreRights = { create: true, change: true };

function serverOf(root: string, { rights = ALL, layers = [] as Layer[], properties = propertyTable() } = {}): Fetch {
  const options = { rights, locks: lockTable(), followers: properties };
  return toFetch(
    fileServer(root, { features: [davFeature(options), ...uploadFeatures(options)], layers, log: false }),
  );
}

const FILES = { "a.txt": "a", "b.txt": "b", "d/x.txt": "x", "d/sub/y.txt": "y", "e/z.txt": "z" };
const AT = "http://localhost";

/** Requests to the same tree: method, path, headers, status, and what changes. */
const CHANGES: readonly [
  name: string,
  request: readonly [method: string, path: string, headers?: Record<string, string>, body?: string],
  status: number,
  changes?: Readonly<Record<string, string | null | undefined>>,
][] = [
  ["a new file", ["PUT", "/n.txt", {}, "n"], 201, { "n.txt": "n" }],
  ["a file is replaced", ["PUT", "/a.txt", {}, "n"], 204, { "a.txt": "n" }],
  ["a precondition", ["PUT", "/a.txt", { "if-none-match": "*" }, "n"], 412],
  ["a file in a directory that is not there", ["PUT", "/no/n.txt", {}, "n"], 409],
  ["a file in a file", ["PUT", "/a.txt/n.txt", {}, "n"], 409],
  ["a file in place of a directory", ["PUT", "/d", {}, "n"], 409],
  ["a directory", ["MKCOL", "/n/"], 201, { n: null }],
  ["a directory with content", ["MKCOL", "/n", {}, "<a/>"], 415],
  ["a directory that is there", ["MKCOL", "/d/"], 405],
  ["a directory in one that is not there", ["MKCOL", "/no/n"], 409],
  ["a directory is deleted with its entries", ["DELETE", "/e/"], 204, { e: undefined, "e/z.txt": undefined }],
  ["nothing is deleted", ["DELETE", "/no"], 404],
  ["the root", ["DELETE", "/"], 403],
  ["a move", ["MOVE", "/a.txt", { destination: "/c.txt" }], 201, { "a.txt": undefined, "c.txt": "a" }],
  ["a URL", ["MOVE", "/a.txt", { destination: `${AT}/c.txt` }], 201, { "a.txt": undefined, "c.txt": "a" }],
  ["a move to a name that is taken", ["MOVE", "/a.txt", { destination: "/b.txt" }], 204, {
    "a.txt": undefined,
    "b.txt": "a",
  }],
  ["Overwrite: F", ["MOVE", "/a.txt", { destination: "/b.txt", overwrite: "F" }], 412],
  ["Overwrite: maybe", ["MOVE", "/a.txt", { destination: "/b.txt", overwrite: "maybe" }], 400],
  ["a directory in place of another", ["MOVE", "/e/", { destination: "/d/" }], 204, {
    "d/x.txt": undefined,
    "d/sub": undefined,
    "d/sub/y.txt": undefined,
    "d/z.txt": "z",
    "e": undefined,
    "e/z.txt": undefined,
  }],
  ["a directory in place of a file", ["COPY", "/e", { destination: "/a.txt" }], 204, {
    "a.txt": null,
    "a.txt/z.txt": "z",
  }],
  ["a file in place of a directory", ["COPY", "/a.txt", { destination: "/e" }], 204, { e: "a", "e/z.txt": undefined }],
  ["a copy without its entries", ["COPY", "/d/", { destination: "/n", depth: "0" }], 201, { n: null }],
  ["Depth: 1", ["COPY", "/d/", { destination: "/n", depth: "1" }], 400],
  ["a copy into itself", ["COPY", "/d/", { destination: "/d/sub/n" }], 403],
  ["a copy onto itself", ["COPY", "/d/", { destination: "/d/" }], 403],
  ["a move onto its parent", ["MOVE", "/d/sub/", { destination: "/d/" }], 403],
  ["a move into itself", ["MOVE", "/d/", { destination: "/d/sub/" }], 403],
  ["a copy to where there is no directory", ["COPY", "/a.txt", { destination: "/no/a" }], 409],
  ["a copy of nothing", ["COPY", "/no", { destination: "/d/" }], 404],
  ["another host", ["COPY", "/a.txt", { destination: "http://example.com/a" }], 502],
  ["no destination", ["MOVE", "/a.txt"], 400],
  ["the root as the destination", ["MOVE", "/d/", { destination: "/" }], 403],
  ["another site", ["PUT", "/n.txt", { origin: "http://evil.example" }, "n"], 403],
  ["properties from another site", ["PROPPATCH", "/a.txt", { origin: "http://evil.example" }, "<a/>"], 403],
  ["a hidden file", ["PUT", "/.hidden", {}, "n"], 403],
];

for (const [name, [method, path, headers, body], status, changes = {}] of CHANGES) {
  Deno.test(`writing: ${name}: ${method} ${path} is ${status}`, async () => {
    await using tree = await tempTree(FILES);
    const before = treeOf(tree.path);
    assertEquals(await statusOf(send(serverOf(tree.path), method, path, headers, body)), status);
    const expected = { ...before, ...changes };
    for (const [key, value] of Object.entries(changes)) if (value === undefined) delete expected[key];
    assertEquals(treeOf(tree.path), sorted(expected));
  });
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1));
}

Deno.test("writing: a request with a query keeps the rules for pages and scripts", async () => {
  await using tree = await tempTree(FILES);
  const fetch = serverOf(tree.path);
  assertEquals(await statusOf(send(fetch, "PUT", "/a.txt?on-conflict=fail", {}, "n")), 409);
  assertEquals(await statusOf(send(fetch, "PUT", "/new/a.txt?on-conflict=fail", {}, "n")), 201);
  assertEquals(await statusOf(send(fetch, "DELETE", "/d/?x")), 409);
});

Deno.test("writing: without the right, or from this server only for reading, nothing is written", async () => {
  await using tree = await tempTree(FILES);
  const before = treeOf(tree.path);
  const limited: Layer = (next) => (request, context) =>
    next(request, derive(context, { may: (right) => right === "read", view: "reader" }));
  const body = `<propertyupdate xmlns="DAV:"><set><prop><a xmlns="urn:a">1</a></prop></set></propertyupdate>`;
  const requests = [
    ["PUT", "/n.txt", {}, "n"],
    ["PUT", "/a.txt", {}, "n"],
    ["MKCOL", "/n"],
    ["DELETE", "/a.txt"],
    ["COPY", "/a.txt", { destination: "/n" }],
    ["MOVE", "/a.txt", { destination: "/n" }],
    ["PROPPATCH", "/a.txt", {}, body],
  ] as const;
  for (const [method, path, headers, text] of requests) {
    assertEquals(await statusOf(send(serverOf(tree.path, { layers: [limited] }), method, path, headers, text)), 403);
  }
  const creating = serverOf(tree.path, { rights: { create: true, change: false } });
  assertEquals(await statusOf(send(creating, "PUT", "/a.txt", {}, "n")), 409);
  assertEquals(await statusOf(send(creating, "DELETE", "/a.txt")), 403);
  assertEquals(await statusOf(send(creating, "PROPPATCH", "/a.txt", {}, body)), 403);
  assertEquals(treeOf(tree.path), before);
});

Deno.test("writing: what a directory replaces gets its name back if that fails", async () => {
  await using tree = await tempTree({ "d/a.txt": "a", "e/b.txt": "b" });
  await Deno.writeFile(tree.at("e/large.bin"), new Uint8Array(20));
  const options = { rights: ALL, maxBytes: 10 };
  const fetch = toFetch(fileServer(tree.path, { features: [davFeature(options)], log: false }));
  const before = treeOf(tree.path);
  assertEquals(await statusOf(send(fetch, "COPY", "/e/", { destination: "/d/" })), 413);
  assertEquals(treeOf(tree.path), before);
});

Deno.test("writing: a file that was just created can be replaced by its entity tag, as davfs2 does, but not by an older one", async () => {
  await using tree = await tempTree();
  const fetch = serverOf(tree.path);
  const etag = async () => (await send(fetch, "HEAD", "/a.txt")).headers.get("etag")!.replace("W/", "");
  const put = (tag: string) => statusOf(send(fetch, "PUT", "/a.txt", { "if-match": tag }, "new"));
  assertEquals(await statusOf(send(fetch, "PUT", "/a.txt", {}, "old")), 201);
  const tag = await etag();
  assertEquals([await put(tag), await put(tag), await put(await etag())], [204, 412, 204]);
});

Deno.test("writing: X-OC-Mtime dates a file; another value does not", async () => {
  await using tree = await tempTree();
  const fetch = serverOf(tree.path);
  const stored = await send(fetch, "PUT", "/a.txt", { "x-oc-mtime": "981173106" }, "a");
  assertEquals([stored.status, stored.headers.get("x-oc-mtime")], [201, "accepted"]);
  assertEquals(stored.headers.get("last-modified"), "Sat, 03 Feb 2001 04:05:06 GMT");
  assertEquals((await Deno.stat(tree.at("a.txt"))).mtime?.getTime(), 981_173_106_000);
  for (const odd of ["-1", "1e9", "99999999999", "", "x"]) {
    const response = await send(fetch, "PUT", "/b.txt", { "x-oc-mtime": odd }, "b");
    assertEquals(response.headers.get("x-oc-mtime"), null);
  }
  assert((await Deno.stat(tree.at("b.txt"))).mtime!.getTime() > 1_000_000_000_000);
});

function update(...instructions: readonly string[]): string {
  return `<D:propertyupdate xmlns:D="DAV:" xmlns:u="urn:u">${instructions.join("")}</D:propertyupdate>`;
}

const SET = (property: string) => `<D:set><D:prop>${property}</D:prop></D:set>`;
const REMOVE = (property: string) => `<D:remove><D:prop>${property}</D:prop></D:remove>`;

/** The properties that clients have set. */
async function dead(fetch: Fetch, path: string): Promise<Record<string, string>> {
  const reported = Object.values(await reportedBy(await send(fetch, "PROPFIND", path, { depth: "0" })))[0]!["200"]!;
  return Object.fromEntries(Object.entries(reported).filter(([name]) => name.startsWith("{")));
}

Deno.test("properties: are set, removed in order, found by name, and follow their file", async () => {
  await using tree = await tempTree(FILES);
  const fetch = serverOf(tree.path);
  const patch = (path: string, ...instructions: string[]) =>
    send(fetch, "PROPPATCH", path, {}, update(...instructions));
  const reported = await reportedBy(await patch("/a.txt", SET(`<u:a>1 &amp; 2</u:a>`), SET(`<c xmlns=""><i/></c>`)));
  assertEquals(reported, { "/a.txt": { 200: { "{urn:u}a": "", "{}c": "" } } });
  assertEquals(await dead(fetch, "/a.txt"), { "{urn:u}a": "1 & 2", "{}c": "<i>" });
  assertEquals(await statusOf(patch("/a.txt", SET(`<u:b>2</u:b>`), REMOVE(`<u:b/>`), REMOVE(`<c xmlns=""/>`))), 207);
  assertEquals(await dead(fetch, "/a.txt"), { "{urn:u}a": "1 & 2" });
  const some = `<propfind xmlns="DAV:"><prop><a xmlns="urn:u"/><b xmlns="urn:u"/></prop></propfind>`;
  assertEquals((await reportedBy(await send(fetch, "PROPFIND", "/a.txt", {}, some)))["/a.txt"], {
    200: { "{urn:u}a": "1 & 2" },
    404: { "{urn:u}b": "" },
  });
  await statusOf(patch("/d/x.txt", SET(`<u:x>x</u:x>`)));
  await statusOf(send(fetch, "MOVE", "/a.txt", { destination: "/d/a.txt" }));
  await statusOf(send(fetch, "COPY", "/d/", { destination: "/e/" }));
  assertEquals(await dead(fetch, "/e/a.txt"), { "{urn:u}a": "1 & 2" });
  await statusOf(send(fetch, "PUT", "/e/x.txt", {}, "new content"));
  assertEquals(await dead(fetch, "/e/x.txt"), { "{urn:u}x": "x" });
  await statusOf(send(fetch, "DELETE", "/d/?recursive"));
  await statusOf(send(fetch, "MOVE", "/e/", { destination: "/d/" }));
  assertEquals(await dead(fetch, "/d/x.txt"), { "{urn:u}x": "x" });
  await statusOf(send(fetch, "DELETE", "/d/x.txt"));
  await statusOf(send(fetch, "PUT", "/d/x.txt", {}, "another file"));
  assertEquals(await dead(fetch, "/d/x.txt"), {});
});

Deno.test("properties: those of the server cannot be set, and then none is", async () => {
  await using tree = await tempTree(FILES);
  const fetch = serverOf(tree.path);
  const body = update(SET(`<u:a>1</u:a><D:getetag>"x"</D:getetag>`));
  assertEquals(await reportedBy(await send(fetch, "PROPPATCH", "/a.txt", {}, body)), {
    "/a.txt": { 403: { getetag: "" }, 424: { "{urn:u}a": "" } },
  });
  assertEquals(await dead(fetch, "/a.txt"), {});
});

Deno.test("properties: those of Windows are accepted with the right to create files, and not kept", async () => {
  await using tree = await tempTree(FILES);
  const fetch = serverOf(tree.path, { rights: { create: true, change: false } });
  const body = update(SET(`<Win32FileAttributes xmlns="urn:schemas-microsoft-com:">00000020</Win32FileAttributes>`));
  assertEquals(Object.keys((await reportedBy(await send(fetch, "PROPPATCH", "/a.txt", {}, body)))["/a.txt"]!), ["200"]);
  assertEquals(await dead(fetch, "/a.txt"), {});
});

Deno.test("properties: refused requests, locked files and too much of them", async () => {
  await using tree = await tempTree(FILES);
  const fetch = serverOf(tree.path);
  const patch = (path: string, body: string, headers = {}) => statusOf(send(fetch, "PROPPATCH", path, headers, body));
  assertEquals(await patch("/no", update(SET("<u:a/>"))), 404);
  assertEquals(await patch("/a.txt/", update(SET("<u:a/>"))), 404);
  assertEquals(await patch("/a.txt", update()), 400);
  assertEquals(await patch("/a.txt", ""), 400);
  assertEquals(await patch("/a.txt", "<propertyupdate/>"), 400);
  assertEquals(await patch("/a.txt", update(SET(`<u:a>${"a".repeat(40_000)}</u:a>`))), 507);
  const lock = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';
  const locked = await send(fetch, "LOCK", "/a.txt", { depth: "0" }, lock);
  assertEquals(await patch("/a.txt", update(SET("<u:a/>"))), 423);
  assertEquals(await patch("/a.txt", update(SET("<u:a/>")), { if: `(${locked.headers.get("lock-token")})` }), 207);
  await locked.body?.cancel();
});

Deno.test("properties: survive in a file, also one with a damaged line, and hold between processes", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "site/b.txt": "b" });
  const [one, two] = [0, 1].map(() =>
    serverOf(tree.at("site"), { properties: propertyTable(tree.at("properties")) })
  ) as [Fetch, Fetch];
  await statusOf(send(one, "PROPPATCH", "/a.txt", {}, update(SET("<u:a>1</u:a>"))));
  await Deno.writeTextFile(tree.at("properties"), '["/b.txt",{"{u', { append: true });
  await statusOf(send(two, "PROPPATCH", "/b.txt", {}, update(SET("<u:b>2</u:b>"))));
  await statusOf(send(two, "MOVE", "/a.txt", { destination: "/c.txt" }));
  assertEquals([await dead(one, "/b.txt"), await dead(one, "/c.txt")], [{ "{urn:u}b": "2" }, { "{urn:u}a": "1" }]);
  const later = serverOf(tree.at("site"), { properties: propertyTable(tree.at("properties")) });
  assertEquals(await dead(later, "/c.txt"), { "{urn:u}a": "1" });
});

Deno.test("properties: the file does not grow with what is gone", async () => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  const fetch = serverOf(tree.at("site"), { properties: propertyTable(tree.at("properties")) });
  for (let number = 0; number < 1_500; number++) {
    await statusOf(send(fetch, "PROPPATCH", "/a.txt", {}, update(SET(`<u:a>${number}</u:a>`))));
  }
  const lines = (await Deno.readTextFile(tree.at("properties"))).split("\n").length;
  assert(lines < 1_100, `${lines} lines`);
  assertEquals(await dead(fetch, "/a.txt"), { "{urn:u}a": "1499" });
});
