/** What upload links cannot replace, and whose resumable uploads they cannot reach. */

import { assertEquals } from "@std/assert";
import { disk, fileServer, toFetch, uploadFeatures } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { basic, sharingSite, usersNamed } from "../support/sharing.ts";
import { tempTree } from "../support/tree.ts";

Deno.test("an upload link takes no index page, which would replace the listing for everyone", async () => {
  await using site = await sharingSite();
  for (const rights of [["upload"], ["read", "upload"]]) {
    const { url } = await site.share({ paths: ["/team/"], rights });
    for (const name of ["index.html", "index.htm", "INDEX.HTML"]) {
      assertEquals(await site.status(`${url}${name}`, { method: "PUT", body: "x" }), 403, name);
      const body = new FormData();
      body.append("file", new File(["x"], name));
      assertEquals(await site.status(url, { method: "POST", body }), 403, name);
    }
    assertEquals(await site.status(`${url}page-${rights.length}.html`, { method: "PUT", body: "x" }), 201);
  }
  const headers = basic("ann");
  assertEquals(await site.status("/team/index.html", { method: "PUT", body: "x", headers }), 201);
});

Deno.test("a precompressed variant needs the right to change what it would be sent in place of", async () => {
  await using tree = await tempTree({ "a.txt": "a", "b.txt": "b" });
  const rules = ["ann:all", "bob:read,upload", "eve:upload"];
  const fetchOf = (precompressed: boolean, change = true) =>
    toFetch(fileServer(disk(tree.path), {
      features: uploadFeatures({ rights: { create: true, change } }),
      layers: [auth({ users: usersNamed("ann", "bob", "eve"), rules })],
      precompressed,
      log: false,
    }));
  const send = async (fetch: ReturnType<typeof toFetch>, name: string, method: string, path: string, to?: string) => {
    const headers = { ...basic(name), ...(to && { destination: to }) };
    const init = { method, headers, ...(method === "PUT" && { body: "x" }) };
    const response = await fetch(new Request(`http://localhost${path}`, init));
    await response.body?.cancel();
    return response.status;
  };
  const precompressed = fetchOf(true);
  for (const ending of [".gz", ".br", ".zst"]) {
    assertEquals(await send(precompressed, "bob", "PUT", `/a.txt${ending}`), 403);
    assertEquals(await send(precompressed, "bob", "COPY", "/b.txt", `/a.txt${ending}`), 403);
    assertEquals(await send(precompressed, "bob", "PUT", `/new.tar${ending}`), 201);
    const unread = [`/a.txt${ending}`, `/none${ending}`].map((path) => send(precompressed, "eve", "PUT", path));
    assertEquals(await Promise.all(unread), [403, 403], "the same for files that do not exist");
    assertEquals(await send(fetchOf(true, false), "ann", "PUT", `/a.txt${ending}`), 403, "nothing may be replaced");
    assertEquals(await send(precompressed, "ann", "PUT", `/a.txt${ending}`), 201);
    assertEquals(await send(fetchOf(false), "bob", "PUT", `/b.txt${ending}`), 201);
  }
});

Deno.test("resumable uploads of different users and links with the same id never meet", async () => {
  await using site = await sharingSite({ rules: ["ann:all", "bob:read,upload"] });
  const links = [await site.share({ paths: ["/team/"], rights: ["upload"] })];
  const both = await site.share({ paths: ["/team/"], rights: ["read", "upload"] });
  const path = "new.txt?upload=the-same-id";
  const begin = { method: "PUT", body: "ann", headers: { ...basic("ann"), "upload-complete": "?0" } };
  assertEquals(await site.status(`/team/${path}`, begin), 201);
  const others: readonly (readonly [string, HeadersInit])[] = [
    ["/team/", basic("bob")],
    [links[0]!.url, {}],
    [both.url, {}],
  ];
  for (const [base, headers] of others) {
    assertEquals(await site.status(`${base}${path}`, { method: "HEAD", headers }), 404);
    assertEquals(await site.status(`${base}${path}`, { method: "DELETE", headers }), 404);
    const piece = { "upload-offset": "3", "upload-complete": "?1", "content-type": "application/partial-upload" };
    const sent = { method: "PATCH", body: "!", headers: { ...headers, ...piece } };
    assertEquals(await site.status(`${base}${path}`, sent), 409);
    const own = { method: "PUT", body: "other", headers: { ...headers, "upload-complete": "?0" } };
    assertEquals(await site.status(`${base}${path}`, own), 201);
  }
  const last = { "upload-offset": "3", "upload-complete": "?1", "content-type": "application/partial-upload" };
  const end = { method: "PATCH", body: "!", headers: { ...basic("ann"), ...last } };
  assertEquals(await site.status(`/team/${path}`, end), 201);
  assertEquals(await Deno.readTextFile(site.at("team/new.txt")), "ann!");
});

Deno.test("what a user who may upload but not read can find out is what the documentation says", async () => {
  await using tree = await tempTree({ "box/taken.txt": "a", "open/x.txt": "x" });
  const rules = ["eve:upload", "eve:read,upload@/open"];
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const layers = [auth({ users: usersNamed("eve"), rules })];
  const fetch = toFetch(fileServer(disk(tree.path), { features, layers, log: false }));
  const send = async (method: string, path: string, destination?: string) => {
    const headers = { ...basic("eve"), ...(destination && { destination }) };
    const init = { method, headers, ...(method === "PUT" && { body: "x" }) };
    const response = await fetch(new Request(`http://localhost${path}`, init));
    await response.body?.cancel();
    return [response.status, response.headers.get("location")];
  };
  assertEquals(await send("GET", "/box/taken.txt"), await send("GET", "/box/free.txt"));
  assertEquals(await send("DELETE", "/box/taken.txt"), await send("DELETE", "/box/free.txt"));
  assertEquals((await send("MKCOL", "/box/taken.txt"))[0], 405);
  assertEquals((await send("MKCOL", "/box/new/"))[0], 201);
  assertEquals((await send("PUT", "/box/taken.txt/x"))[0], 409);
  assertEquals((await send("PUT", "/box/free/x"))[0], 201);
  assertEquals(await send("PUT", "/box/taken.txt"), [201, "taken.txt"]);
  assertEquals(await send("PUT", "/box/free.txt"), [201, "free.txt"]);
  assertEquals(await send("COPY", "/open/x.txt", "/box/taken.txt"), [201, "../box/taken.txt"]);
  assertEquals(await send("COPY", "/open/x.txt", "/box/copy.txt"), [201, "../box/copy.txt"]);
});
