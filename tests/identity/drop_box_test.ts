/** Upload links take files, and tell nothing of what is there. */

import { assert, assertEquals } from "@std/assert";
import { type SharingSite, sharingSite } from "../support/sharing.ts";

async function siteWithBox({ dav = false } = {}): Promise<SharingSite & { readonly url: string }> {
  const site = await sharingSite({ dav });
  const { url } = await site.share({ paths: ["/team/"], rights: ["upload"] });
  return { ...site, url };
}

/** Everything in a response that a client can see, except for what it has sent itself. */
async function seen(response: Response, sent: string): Promise<string> {
  const headers = [...response.headers].filter(([name]) => name !== "date" && name !== "content-length");
  const text = JSON.stringify([response.status, headers, await response.text()]);
  return text.replaceAll(sent, "NAME").replaceAll(encodeURIComponent(sent), "NAME");
}

function form(name: string): FormData {
  const body = new FormData();
  body.append("file", new File(["new"], name));
  return body;
}

const PARTIAL = { "upload-complete": "?1", "content-type": "application/octet-stream" };

/** Requests for a name; each must get the same answer whether it is a file, a directory, or nothing. */
const REQUESTS: readonly (readonly [
  title: string,
  path: (name: string) => string,
  init: (name: string, url: string) => RequestInit,
])[] = [
  ["GET", (name) => name, () => ({})],
  ["GET as a page", (name) => name, () => ({ headers: { accept: "text/html" } })],
  ["GET as a directory", (name) => `${name}/`, () => ({})],
  ["GET below", (name) => `${name}/x`, () => ({})],
  ["HEAD", (name) => name, () => ({ method: "HEAD" })],
  ["range", (name) => name, () => ({ headers: { range: "bytes=0-0" } })],
  ["conditional GET", (name) => name, () => ({ headers: { "if-none-match": "*" } })],
  ["OPTIONS", (name) => name, () => ({ method: "OPTIONS" })],
  ["OPTIONS below", (name) => `${name}/x`, () => ({ method: "OPTIONS" })],
  ["listing", (name) => `${name}/?format=json`, () => ({})],
  ["search", (name) => `?q=${name}`, () => ({})],
  ["archive", (name) => `?archive=zip&name=${name}`, () => ({})],
  ["checksum", (name) => `${name}?sha256`, () => ({})],
  ["progress", (name) => `${name}?upload=0123456789abcdef0123`, () => ({ method: "HEAD" })],
  ["PUT", (name) => name, () => ({ method: "PUT", body: "new" })],
  ["PUT for JSON", (name) => name, () => ({ method: "PUT", body: "new", headers: { accept: "application/json" } })],
  ["PUT as a directory", (name) => `${name}/`, () => ({ method: "PUT", body: "new" })],
  ["PUT below", (name) => `${name}/x`, () => ({ method: "PUT", body: "new" })],
  ["PUT for a new file", (name) => name, () => ({ method: "PUT", body: "new", headers: { "if-none-match": "*" } })],
  ["PUT for a version", (name) => name, () => ({ method: "PUT", body: "new", headers: { "if-match": "*" } })],
  ["PUT, overwrite", (name) => `${name}?on-conflict=overwrite`, () => ({ method: "PUT", body: "new" })],
  ["PUT, fail", (name) => `${name}?on-conflict=fail`, () => ({ method: "PUT", body: "new" })],
  ["PUT, rename", (name) => `${name}?on-conflict=rename`, () => ({ method: "PUT", body: "new" })],
  ["PUT, Overwrite", (name) => name, () => ({ method: "PUT", body: "new", headers: { overwrite: "F" } })],
  ["resumable", (name) => name, () => ({ method: "PUT", body: "new", headers: PARTIAL })],
  ["resumable POST", (name) => name, () => ({ method: "POST", body: "new", headers: PARTIAL })],
  ["resumable with a name", () => "", (name) => ({
    method: "POST",
    body: "new",
    headers: { ...PARTIAL, "content-disposition": `attachment; filename="${name}"` },
  })],
  [
    "PATCH",
    (name) => `${name}?upload=0123456789abcdef0123`,
    () => ({ method: "PATCH", body: "n", headers: { "upload-offset": "1" } }),
  ],
  ["form", () => "", (name) => ({ method: "POST", body: form(name) })],
  ["form for JSON", () => "", (name) => ({
    method: "POST",
    body: form(name),
    headers: { accept: "application/json" },
  })],
  ["form below", () => "", (name) => ({ method: "POST", body: form(`${name}/x`) })],
  ["form to it", (name) => `${name}/`, () => ({ method: "POST", body: form("x") })],
  ["MKCOL", (name) => name, () => ({ method: "MKCOL" })],
  ["MKCOL below", (name) => `${name}/x`, () => ({ method: "MKCOL" })],
  ["DELETE", (name) => name, () => ({ method: "DELETE" })],
  ["DELETE upload", (name) => `${name}?upload=0123456789abcdef0123`, () => ({ method: "DELETE" })],
  ["COPY", (name) => name, (_, url) => ({ method: "COPY", headers: { destination: `${url}copy` } })],
  ["MOVE", (name) => name, (_, url) => ({ method: "MOVE", headers: { destination: `${url}moved` } })],
  ["MOVE to it", () => "none", (name, url) => ({ method: "MOVE", headers: { destination: `${url}${name}` } })],
  ["PROPFIND", (name) => name, () => ({ method: "PROPFIND", headers: { depth: "0" } })],
  ["PROPPATCH", (name) => name, () => ({ method: "PROPPATCH", body: PROPERTIES })],
  ["LOCK", (name) => name, () => ({ method: "LOCK", body: LOCK })],
  ["UNLOCK", (name) => name, () => ({ method: "UNLOCK", headers: { "lock-token": "<urn:1>" } })],
  ["PUT, If a token", (name) => name, () => ({ method: "PUT", body: "new", headers: { if: "(Not <urn:1>)" } })],
  ["PUT, If a tag", (name) => name, () => ({ method: "PUT", body: "new", headers: { if: '(Not ["x"])' } })],
  ["PUT, If no tag", (name) => name, () => ({ method: "PUT", body: "new", headers: { if: '(["x"])' } })],
];

const PROPERTIES = '<propertyupdate xmlns="DAV:"><set><prop>' +
  '<Win32FileAttributes xmlns="urn:schemas-microsoft-com:">0</Win32FileAttributes></prop></set></propertyupdate>';

const LOCK = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';

for (const [dav, [title, path, init]] of [false, true].flatMap((dav) => REQUESTS.map((row) => [dav, row] as const))) {
  Deno.test(`an upload link${dav ? " with WebDAV" : ""}: ${title} tells nothing`, async () => {
    const answers: string[] = [];
    for (const name of ["plan.txt", "qq-dir", "qq-link", "qq-away", "qq-none"]) {
      await using site = await siteWithBox({ dav });
      await Deno.mkdir(site.at("team/qq-dir"));
      if (Deno.build.os !== "windows") {
        await Deno.symlink("plan.txt", site.at("team/qq-link"));
        await Deno.symlink("nowhere", site.at("team/qq-away"));
      }
      const response = await site.send(site.url + path(name), init(name, site.url));
      answers.push(await seen(response, name));
      assertEquals(await Deno.readTextFile(site.at("team/plan.txt")), "plan");
    }
    assertEquals(new Set(answers).size, 1, answers.map((answer) => answer.slice(0, 500)).join("\n"));
  });
}

Deno.test("an upload link takes files by form, PUT and in parts; a name that is taken gets a number", async (t) => {
  for (const dav of [false, true]) {
    await t.step(dav ? "with WebDAV" : "without", () => takesFiles(dav));
  }
});

async function takesFiles(dav: boolean): Promise<void> {
  await using site = await siteWithBox({ dav });
  assertEquals(await site.status(site.url, { method: "POST", body: form("plan.txt") }), 201);
  assertEquals(await site.status(`${site.url}plan.txt`, { method: "PUT", body: "put" }), 201);
  const parts = { ...PARTIAL, "upload-complete": "?0" };
  const begun = await site.send(`${site.url}plan.txt`, { method: "POST", body: "pa", headers: parts });
  await begun.body?.cancel();
  assertEquals(begun.status, 403, "POST is for the directory only");
  const put = await site.send(`${site.url}plan.txt?upload=0123456789abcdef0123`, {
    method: "PUT",
    body: "pa",
    headers: parts,
  });
  assertEquals([put.status, put.headers.get("upload-offset")], [201, "2"]);
  const rest = {
    method: "PATCH",
    body: "rts",
    headers: { "content-type": "application/partial-upload", "upload-offset": "2", "upload-complete": "?1" },
  };
  const done = await site.send(`${site.url}plan.txt?upload=0123456789abcdef0123`, rest);
  assertEquals([done.status, done.headers.get("location"), done.headers.get("etag")], [201, null, null]);
  const content = (name: string) => Deno.readTextFileSync(site.at(`team/${name}`));
  assertEquals(["plan.txt", "plan (1).txt", "plan (2).txt", "plan (3).txt"].map(content), [
    "plan",
    "new",
    "put",
    "parts",
  ]);
}

Deno.test("the page of an upload link is a form that works without script, and shows nothing but the name", async () => {
  await using site = await siteWithBox();
  const root = await site.send(site.url.slice(0, -"team/".length));
  assertEquals([root.status, root.headers.get("location")], [303, "team"]);
  const response = await site.send(site.url, { headers: { accept: "text/html" } });
  const text = await response.text();
  assert(text.includes('enctype="multipart/form-data"') && text.includes("<bdi>team</bdi>"));
  assert(!/plan|deep|\bsub\b/.test(text));
  const sent = await site.send(site.url, { method: "POST", body: form("a.txt"), headers: { accept: "text/html" } });
  assertEquals([sent.status, sent.headers.get("location")], [303, "./?done"]);
  assert((await site.text(`${site.url}?done`)).includes("Your files have arrived"));
});
