/** Advisories about redirects: none leads away from the server. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { leadsTo } from "../support/location.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertLocal, ignore, utf8 } from "./support.ts";

/** Targets, and the path of the directory that each names; null if it is not a directory. */
const REDIRECTS: readonly (readonly [id: string, target: string, location: string | null])[] = [
  ["CVE-2021-28861 (Python)", "//evil.example", "/evil.example/"],
  ["CVE-2021-28861 (Python), three slashes", "///evil.example", "/evil.example/"],
  ["CVE-2021-28861 (Python), up", "//evil.example/../sub", "/sub/"],
  ["CVE-2015-1164 (serve-static)", "/evil.example/%2e%2e/sub", "/sub/"],
  ["cpython #118312", "//evil.example/%2f..", null],
  [
    "GHSA-9q64-mpxx-87fg (ecstatic), http-server 14.1.1, darkhttpd: an existing directory",
    "//evil.example/..%2fsub",
    null,
  ],
  ["serve-handler #122", "//evil.example/index.html", null],
  ["gh-132826 (Python)", "/\\evil.example", "/%5Cevil.example/"],
  ["gh-132826 (Python), encoded", "/%5cevil.example", "/%5Cevil.example/"],
  ["gh-132826 (Python), up", "/\\evil.example/%2e%2e%2f", null],
  ["CVE-2022-28923 (Caddy)", "/%5C%5Cevil.example/%252e%252e", null],
  ["Caddy #7330", "/%5c%5cevil.example", "/%5C%5Cevil.example/"],
  ["Caddy #8023", "/..%2F%5cevil.example", null],
  ["CVE-2022-29718 (Caddy)", "//evil.example//sub/../../evil.example", "/evil.example/"],
  ["a dot in between", "/.//evil.example", "/evil.example/"],
  ["a directory and back", "/sub/..//evil.example", "/evil.example/"],
  ["an encoded slash in front", "/%2fevil.example", null],
  ["a tab, which browsers drop", "/%09/evil.example", "/%09/evil.example/"],
  ["a space, which browsers drop", "/%20/evil.example", "/%20/evil.example/"],
  ["CVE-2019-10775 (ecstatic): a form feed", "/x%0c", "/x%0C/"],
  ["gh-142533 (Python): CR LF", "/x%0d%0aSet-Cookie:%20a=b", "/x%0D%0ASet-Cookie%3A%20a%3Db/"],
  ["a letter outside ASCII", "/%C3%BC", "/%C3%BC/"],
  ["gh-132741 (Python): another host in the target", "http://evil.example/sub", "/sub/"],
  ["another host in the target, with a user", "https://evil.example:1/sub?a", "/sub/?a"],
  ["a host in the query", "/sub?//evil.example", "/sub/?//evil.example"],
  ["CR LF in the query", "/sub?%0d%0aSet-Cookie:a=b", "/sub/?%0d%0aSet-Cookie:a=b"],
  ["quotes in the query", '/sub?"<>\\', "/sub/?%22%3C%3E%5C"],
  ["letters outside ASCII in the query", `/sub?${utf8("ü😀")}`, "/sub/?%C3%BC%F0%9F%98%80"],
  ["a user", "/@evil.example", "/%40evil.example/"],
  ["a port", "/:80", "/%3A80/"],
];

const REDIRECTED = [
  ...["sub", "evil.example", "\\evil.example", "\\\\evil.example", "\t/evil.example", " /evil.example", "x\f"],
  ...["x\r\nSet-Cookie: a=b", "ü", "@evil.example", ":80"],
];

Deno.test({ name: "advisories about redirects", ignore }, async (t) => {
  await using tree = await tempTree(Object.fromEntries(REDIRECTED.map((name) => [`${name}/in.txt`, name])));
  await using command = await start([tree.path, "--allow-host", "evil.example"]);
  const { port } = command;

  for (const [id, target, location] of REDIRECTS) {
    await t.step(`${id}: ${JSON.stringify(target)} leads to ${location ?? "nothing"}`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const response = await ask(port, method, target);
        assertEquals([response.status, leadsTo(target, response)], [location === null ? 404 : 301, location]);
        assertLocal(response);
        assertEquals(response.headers.get("set-cookie"), null);
      }
      if (location !== null) assertEquals((await ask(port, "GET", location)).status, 200);
    });
  }
  await t.step("CVE-2024-43799, -43800 (send, serve-static): a redirect has no page", async () => {
    assertEquals((await ask(port, "GET", "/sub?<script>alert(1)</script>")).text, "");
  });
  await t.step("where clients resolve `..` differently, a redirect is an absolute path", async () => {
    const response = await ask(port, "GET", "//evil.example/%2e%2e/sub");
    assertEquals(response.headers.get("location"), "/sub/");
    assertLocal(response);
  });
  await t.step("a fragment, which no target has (RFC 9112 section 3.2), leads nowhere", async () => {
    const response = await ask(port, "GET", "/sub#//evil.example");
    assertEquals([response.status, response.headers.get("location")], [400, null]);
  });
  await t.step("a redirect does not name the host of the request", async () => {
    const request =
      "GET /sub HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n";
    const { head, headers } = await raw(port, request);
    assertEquals(headers.get("location"), "sub/");
    assert(!head.includes("evil"));
  });
});
