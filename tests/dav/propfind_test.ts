import { assert, assertEquals } from "@std/assert";
import { dav, davFeature } from "../../handlers/mod.ts";
import { chain, derive, disk, files, fileServer, type Layer, memory, mount, toFetch } from "../../mod.ts";
import { readXml } from "../../handlers/dav/xml.ts";
import { child, type Fetch, reportedBy, send, statusOf } from "./support.ts";

const source = memory({
  "docs/a b.txt": "hello",
  "docs/<é>.html": "<p>",
  "docs/deep/c.txt": "c",
  "index.html": "start",
});
const fetch = toFetch(fileServer(source, { features: [davFeature()], log: false }));

function propfind(path: string, headers: Record<string, string> = {}, body?: string, at: Fetch = fetch) {
  return send(at, "PROPFIND", path, headers, body);
}

function prop(...names: string[]): string {
  return `<propfind xmlns="DAV:"><prop>${names.map((name) => `<${name}/>`).join("")}</prop></propfind>`;
}

Deno.test("propfind: a directory and its entries, though it has an index page", async () => {
  assertEquals(Object.keys(await reportedBy(await propfind("/", { depth: "1" }))).sort(), [
    "/",
    "/docs/",
    "/index.html",
  ]);
  const reported = await reportedBy(await propfind("/docs/", { depth: "1" }));
  assertEquals(Object.keys(reported).sort(), ["/docs/", "/docs/%3C%C3%A9%3E.html", "/docs/a%20b.txt", "/docs/deep/"]);
  const file = reported["/docs/a%20b.txt"]!["200"]!;
  assertEquals([file.displayname, file.getcontentlength, file.resourcetype], ["a b.txt", "5", ""]);
  assertEquals([reported["/docs/deep/"]!["200"]!.resourcetype, reported["/docs/deep/"]!["200"]!.getetag], [
    "<collection>",
    undefined,
  ]);
});

Deno.test("propfind: type, date and entity tag are those of GET", async () => {
  for (const path of ["/docs/a%20b.txt", "/docs/%3C%C3%A9%3E.html"]) {
    const { headers } = await send(fetch, "HEAD", path);
    const found = (await reportedBy(await propfind(path, { depth: "0" })))[path]!["200"]!;
    assertEquals(found.getetag, headers.get("etag"));
    assertEquals(found.getcontenttype, headers.get("content-type"));
    assertEquals(found.getlastmodified ?? null, headers.get("last-modified"));
  }
});

Deno.test("propfind: properties by name, with those that are missing", async () => {
  const body = prop("getcontentlength", "getetag", `x xmlns="urn:x"`);
  const response = await propfind("/docs/", { depth: "0" }, body);
  assertEquals((await reportedBy(response))["/docs/"], {
    404: { getcontentlength: "", getetag: "", "{urn:x}x": "" },
  });
  const minimal = await propfind("/docs/", { depth: "0", prefer: "return=minimal" }, body);
  assertEquals(minimal.headers.get("preference-applied"), "return=minimal");
  assertEquals((await reportedBy(minimal))["/docs/"], { 200: {} });
});

Deno.test("propfind: names only, and all with others included", async () => {
  const names = await reportedBy(
    await propfind("/index.html", { depth: "0" }, `<a:propfind xmlns:a="DAV:"><a:propname/></a:propfind>`),
  );
  assertEquals(names["/index.html"]!["200"]!.getcontentlength, "");
  assert("getetag" in names["/index.html"]!["200"]!);
  const all = await reportedBy(
    await propfind(
      "/index.html",
      { depth: "0" },
      `<propfind xmlns="DAV:"><allprop/><include><displayname/><x/></include></propfind>`,
    ),
  );
  assertEquals(all["/index.html"]!["200"]!.displayname, "index.html");
});

Deno.test("propfind: refused requests", async (t) => {
  const bomb = `<!DOCTYPE a [<!ENTITY b "bbbb">]><propfind xmlns="DAV:"><prop>&b;</prop></propfind>`;
  const table: [string, string, Record<string, string>, string | undefined, number][] = [
    ["no such path", "/nothing", { depth: "0" }, undefined, 404],
    ["a file with a slash", "/index.html/", { depth: "0" }, undefined, 404],
    ["Depth 2", "/", { depth: "2" }, undefined, 400],
    ["Depth twice", "/", { depth: "0, 1" }, undefined, 400],
    ["infinity", "/", { depth: "Infinity" }, undefined, 403],
    ["without Depth", "/", {}, undefined, 403],
    ["a file has no depth", "/index.html", {}, undefined, 207],
    ["an encoded slash", "/docs%2fa", { depth: "0" }, undefined, 404],
    ["above the root", "/../x", { depth: "0" }, undefined, 404],
    ["an entity", "/", { depth: "0" }, bomb, 400],
    ["another namespace", "/", { depth: "0" }, `<propfind><prop/></propfind>`, 400],
    ["another element", "/", { depth: "0" }, `<lockinfo xmlns="DAV:"/>`, 400],
    ["nothing asked", "/", { depth: "0" }, `<propfind xmlns="DAV:"/>`, 400],
    ["two asked", "/", { depth: "0" }, `<propfind xmlns="DAV:"><allprop/><propname/></propfind>`, 400],
    ["a deep tree", "/", { depth: "0" }, "<a>".repeat(40), 400],
    ["101 names", "/", { depth: "0" }, prop(...Array.from({ length: 101 }, (_, at) => `a${at}`)), 400],
    ["10 MB", "/", { depth: "0" }, `<propfind xmlns="DAV:">${" ".repeat(10_000_000)}</propfind>`, 413],
  ];
  for (const [name, path, headers, body, status] of table) {
    await t.step(name, async () => {
      // A URL object would resolve dots.
      const request = new Request("http://localhost/", { method: "PROPFIND", headers, ...(body && { body }) });
      Object.defineProperty(request, "url", { value: `http://localhost${path}` });
      assertEquals(await statusOf(fetch(request)), status);
    });
  }
});

Deno.test("propfind: infinity is refused in the words of the protocol", async () => {
  const response = await propfind("/", {});
  assert((await response.text()).includes("<D:propfind-finite-depth/>"));
});

Deno.test("propfind: what a client cannot read does not exist", async () => {
  const limited: Layer = (next) => (request, context) => {
    const may = (_right: unknown, path: { text: string }) => !path.text.startsWith("/docs/deep");
    return next(request, derive(context, { may, view: "limited" }));
  };
  const at = toFetch(fileServer(source, { features: [davFeature()], layers: [limited], log: false }));
  const reported = await reportedBy(await propfind("/docs/", { depth: "1" }, undefined, at));
  assertEquals(Object.keys(reported).includes("/docs/deep/"), false);
  assertEquals(await statusOf(propfind("/docs/deep/", { depth: "1" }, undefined, at)), 404);
});

Deno.test("propfind: hrefs have the prefix of a mount, and names that Windows does not allow are kept from it", async () => {
  const at = toFetch(mount("/a/b", chain(dav(source), files(source))));
  const reported = await reportedBy(await propfind("/a/b/docs/deep/", { depth: "1" }, undefined, at));
  assertEquals(Object.keys(reported), ["/a/b/docs/deep/", "/a/b/docs/deep/c.txt"]);
  const windows = { depth: "1", "user-agent": "Microsoft-WebDAV-MiniRedir/10.0.22631" };
  assertEquals(Object.keys(await reportedBy(await propfind("/docs/", windows))).length, 3);
});

Deno.test("propfind: OPTIONS says so; pages stay pages; other methods are refused as before", async () => {
  const { headers } = await send(fetch, "OPTIONS", "/");
  assertEquals([headers.get("dav"), headers.get("ms-author-via")], ["1", "DAV"]);
  assertEquals(headers.get("allow"), "PROPFIND, GET, HEAD, OPTIONS");
  assertEquals(await (await send(fetch, "GET", "/")).text(), "start");
  assertEquals(await statusOf(send(fetch, "PROPPATCH", "/")), 501);
  assertEquals(await statusOf(send(fetch, "MKCOL", "/x")), 501);
  assertEquals(await statusOf(send(toFetch(fileServer(source, { log: false })), "PROPFIND", "/")), 501);
});

Deno.test("propfind: names that XML cannot represent, and special files", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/a\x01\n&.txt`, "");
  await Deno.symlink("nowhere", `${directory}/broken`);
  const at = toFetch(fileServer(directory, { features: [davFeature()], log: false }));
  const reported = await reportedBy(await propfind("/", { depth: "1" }, undefined, at));
  assertEquals(reported["/a%01%0A%26.txt"]!["200"]!.displayname, "a\ufffd\n&.txt");
  assertEquals(Object.keys(reported).length, 2);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("propfind: a large directory is sent while it is read, and an aborted one is closed", async () => {
  const directory = await Deno.makeTempDir();
  for (let number = 0; number < 3_000; number++) Deno.writeTextFileSync(`${directory}/${number}`, "");
  const at = toFetch(chain(dav(disk(directory))));
  const whole = await propfind("/", { depth: "1" }, undefined, at);
  const pieces: Uint8Array[] = [];
  for await (const piece of whole.body!) pieces.push(piece);
  assert(pieces.length > 10 && pieces.every(({ length }) => length < 80_000));
  const reported = await reportedBy(
    new Response(new Blob(pieces as BlobPart[]), { status: 207, headers: whole.headers }),
  );
  assertEquals(Object.keys(reported).length, 3_001);
  const open = () =>
    [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`) === Deno.realPathSync(directory);
      } catch {
        return false;
      }
    }).length;
  const before = open();
  const aborted = await propfind("/", { depth: "1" }, undefined, at);
  const reader = aborted.body!.getReader();
  await reader.read();
  await reader.cancel();
  assertEquals(open(), before);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("propfind: the test's reader finds an element only in WebDAV's namespace", async () => {
  assertEquals(child((await readXml(new Response("<a><prop/></a>").body))!, "prop"), undefined);
});
