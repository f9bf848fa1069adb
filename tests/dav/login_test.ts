/** WebDAV clients that have not logged in: when they are asked to. */

import { assert, assertEquals } from "@std/assert";
import { auth, environmentUser } from "../../handlers/identity/mod.ts";
import { davFeature, lockTable } from "../../handlers/mod.ts";
import { fileServer, memory, toFetch } from "../../mod.ts";
import { tempTree } from "../support/tree.ts";
import { type Fetch, reportedBy, send, statusOf } from "./support.ts";

const KDE = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) kio/5.103.0";
const ANN = { authorization: `Basic ${btoa("ann:correct horse")}` };
const DEPTH = { depth: "0" };

function serverOf(rules: readonly string[], davLogin = false): Fetch {
  const layers = [auth({ users: environmentUser("ann:correct horse"), rules, davLogin })];
  return toFetch(fileServer(memory({ "pub/a.txt": "a", "own/b.txt": "b" }), {
    layers,
    features: [davFeature()],
    log: false,
  }));
}

Deno.test("login: where nobody may read without it, WebDAV clients are asked; OPTIONS tells of WebDAV before", async () => {
  const fetch = serverOf(["users:all"]);
  const options = await send(fetch, "OPTIONS", "/");
  assertEquals([options.status, options.headers.get("dav"), options.headers.get("ms-author-via")], [204, "1", "DAV"]);
  for (const agent of ["Microsoft-WebDAV-MiniRedir/10.0.22631", "WebDAVFS/3.0.0 (03008000) Darwin/23.1.0", KDE]) {
    const asked = await send(fetch, "PROPFIND", "/", { ...DEPTH, "user-agent": agent });
    assertEquals(asked.status, 401, agent);
    assert(asked.headers.get("www-authenticate")?.startsWith("Basic "), agent);
    await asked.body?.cancel();
  }
  assertEquals(Object.keys(await reportedBy(await send(fetch, "PROPFIND", "/", { depth: "1", ...ANN }))).length, 3);
});

Deno.test("login: a page is not asked by a dialog of the browser", async () => {
  const headers = { ...DEPTH, "user-agent": "Mozilla/5.0", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" };
  const asked = await send(serverOf(["users:all"]), "PROPFIND", "/", headers);
  assertEquals([asked.status, asked.headers.get("www-authenticate")?.startsWith("Bearer ")], [401, true]);
  await asked.body?.cancel();
});

Deno.test("login: where anyone may read, clients are asked only with davLogin; pages never", async () => {
  const rules = ["anyone:read@/pub", "users:all"];
  assertEquals(await statusOf(send(serverOf(rules), "PROPFIND", "/pub/", DEPTH)), 207);
  assertEquals(await statusOf(send(serverOf(rules), "PROPFIND", "/own/", DEPTH)), 401);
  const fetch = serverOf(rules, true);
  assertEquals(await statusOf(send(fetch, "PROPFIND", "/pub/", DEPTH)), 401);
  assertEquals(await statusOf(send(fetch, "PROPFIND", "/pub/", { ...DEPTH, ...ANN })), 207);
  assertEquals(await statusOf(send(fetch, "GET", "/pub/a.txt")), 200);
});

Deno.test("login: who may read is asked before writing", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const options = { rights: { create: true, change: true }, locks: lockTable() };
  const layers = [auth({ users: environmentUser("ann:correct horse"), rules: ["anyone:read", "users:all"] })];
  const fetch = toFetch(fileServer(tree.path, { layers, features: [davFeature(options)], log: false }));
  const body = '<propertyupdate xmlns="DAV:"><set><prop><a xmlns="urn:a"/></prop></set></propertyupdate>';
  for (const [method, headers, text] of [["PUT", {}, "x"], ["DELETE"], ["PROPPATCH", {}, body], ["LOCK"]] as const) {
    assertEquals(await statusOf(send(fetch, method, "/a.txt", headers, text)), 401, method);
  }
  assertEquals(await statusOf(send(fetch, "PUT", "/a.txt", ANN, "x")), 204);
});
