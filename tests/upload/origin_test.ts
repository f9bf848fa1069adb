/** Which pages may write: those of this server, under its public names. */

import { assert, assertEquals } from "@std/assert";
import { isNamed } from "../../handlers/http/own_host.ts";
import { fileServer, toFetch, uploadFeatures } from "@x/pyserve";
import { start } from "../support/command.ts";
import { raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { namesBelow, send } from "../support/upload.ts";

/** A proxy may send its own Host, or pass on the client's. */
const ROWS: readonly [host: string, origin: string, allowed: boolean][] = [
  ["files.example", "http://files.example", true],
  ["files.example", "https://files.example", true],
  ["127.0.0.1:8000", "http://files.example", true],
  ["127.0.0.1:8000", "https://files.example", true],
  ["127.0.0.1:8000", "HTTPS://Files.Example", true],
  ["127.0.0.1:8000", "https://files.example.", true],
  ["127.0.0.1:8000", "https://a.sites.example", true],
  ["127.0.0.1:8000", "http://odd.example:8080", true],
  ["files.example:443", "https://files.example", true],
  ["files.example:8000", "http://files.example:8000", true],
  // A server on another port, or with another name, may belong to others.
  ["127.0.0.1:8000", "http://files.example:8080", false],
  ["127.0.0.1:8000", "http://odd.example:8081", false],
  ["127.0.0.1:8000", "http://odd.example", true],
  ["files.example:80", "https://files.example:8443", false],
  ["files.example:443", "https://files.example:8443", false],
  ["127.0.0.1:8000", "http://sites.example", false],
  ["127.0.0.1:8000", "http://evil.example", false],
  ["127.0.0.1:8000", "http://evilfiles.example", false],
  ["127.0.0.1:8000", "http://files.example.evil.example", false],
  ["127.0.0.1:8000", "http://files.example@evil.example", false],
  ["127.0.0.1:8000", "ftp://files.example", false],
  ["127.0.0.1:8000", "files.example", false],
  ["127.0.0.1:8000", "null", false],
  ["127.0.0.1:8000", "", false],
  ["127.0.0.1:8000", "http://files.example, http://evil.example", false],
  // Another name is that of another virtual host, where others may store pages.
  ["files.example", "http://a.sites.example", false],
  ["a.sites.example", "http://b.sites.example", false],
  ["odd.example:8080", "http://files.example", false],
  ["a.sites.example", "http://a.sites.example", true],
  // Addresses, localhost and the name of the machine are shared by everything that runs there.
  ["127.0.0.1:8000", "http://127.0.0.1", false],
  ["127.0.0.1:8000", "http://127.0.0.1:8000", true],
  ["127.0.0.1:8000", "http://localhost", false],
  ["127.0.0.1:8000", "http://192.0.2.7", false],
  ["127.0.0.1:8000", "http://[::1]", false],
  ["[::1]:8000", "http://[::1]:8000", true],
  ["127.0.0.1:8000", `http://${Deno.hostname()}`, false],
];

const NAMES = ["files.example", "*.sites.example", "odd.example:8080"];

for (const header of ["Origin", "Referer"]) {
  Deno.test(`allowed names are own origins, and no others are (${header})`, async () => {
    await using tree = await tempTree();
    await using command = await start([
      tree.path,
      "--quiet",
      "--upload",
      ...NAMES.flatMap((name) => ["--allow-host", name]),
    ]);
    const fetch = toFetch(fileServer(tree.path, { features: uploadFeatures(), log: false }), { hosts: NAMES });
    let count = 0;
    for (const [host, origin, allowed] of ROWS) {
      const value = header === "Referer" && /^http/.test(origin) ? `${origin}/docs/` : origin;
      const status = allowed ? 201 : 403;
      const target = `/${count += 1}`;
      const head = `PUT ${target} HTTP/1.1\r\nHost: ${host}\r\n${header}: ${value}\r\nContent-Length: 1\r\n`;
      const answer = await raw(command.port, `${head}Connection: close\r\n\r\nx`);
      assertEquals([host, origin, answer.status], [host, origin, status]);
      const headers = { host, [header]: value };
      const asked = await fetch(new Request(`http://${host}${target}b`, { method: "PUT", body: "x", headers }));
      assertEquals([host, origin, asked.status], [host, origin, status]);
    }
    assertEquals((await namesBelow(tree.path)).length, 2 * ROWS.filter(([, , allowed]) => allowed).length);
  });
}

Deno.test("without --allow-host only pages of the requested host belong to this server", async () => {
  await using tree = await tempTree();
  await using command = await start([tree.path, "--quiet", "--upload"]);
  for (const origin of [`http://${Deno.hostname()}`, "http://localhost:1", "http://files.example"]) {
    const { status } = await send(command.port, "PUT", "/a", { body: "x", headers: [["Origin", origin]] });
    assertEquals([origin, status], [origin, 403]);
  }
});

Deno.test("Sec-Fetch-Site takes precedence over Origin, because no page can set it", async () => {
  await using tree = await tempTree();
  await using command = await start([tree.path, "--quiet", "--upload", "--allow-host", "files.example"]);
  const rows: readonly [site: string, status: number][] = [
    ["cross-site", 403],
    ["same-site", 403],
    ["same-origin, cross-site", 403],
    ["", 403],
    ["same-origin", 201],
  ];
  for (const [site, status] of rows) {
    const headers = [["Origin", "http://files.example"], ["Sec-Fetch-Site", site]] as const;
    assertEquals([site, (await send(command.port, "PUT", "/a", { body: "x", headers })).status], [site, status]);
  }
});

Deno.test("Destination may name this server as its visitors do", async () => {
  await using tree = await tempTree({ "a": "a" });
  await using command = await start([tree.path, "--quiet", "--all", "--allow-host", "files.example"]);
  const move = async (from: string, to: string) =>
    (await send(command.port, "MOVE", from, { headers: [["Destination", to]] })).status;
  assertEquals(await move("/a", "https://files.example/b"), 201);
  assertEquals(await move("/b", "http://localhost/c"), 201);
  assertEquals(await move("/c", "http://files.example:8080/d"), 502);
  assertEquals(await move("/c", "http://127.0.0.1/d"), 502);
  assertEquals(await namesBelow(tree.path), ["c"]);
});

Deno.test("the port is the default one, or the one given with the name", () => {
  assert(isNamed("a.example", ["a.example"]) && isNamed("A.example.:80", ["a.example"]));
  assert(isNamed("a.example:443", ["a.example:8000"]) && isNamed("a.example:8000", ["a.example:8000"]));
  assert(!isNamed("a.example:8000", ["a.example", "b.example:8000"]));
  assert(!isNamed("", ["a.example"]) && !isNamed("[::1]:8000", ["a.example:8000"]));
});
