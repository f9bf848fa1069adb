/** Advisories about pages: what they echo of a request, and what they disclose about the server. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { assertOnlyOwnScript, skeletonOf } from "../support/html.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertAlive, ignore, withEach } from "./support.ts";

/** Payloads that a page might echo. */
const PAYLOADS = [
  ...["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><svg/onload=alert(1)>", "'-alert(1)-'"],
  ...["%3Cscript%3Ealert(1)%3C/script%3E", "%0d%0aX-Injected:%20yes", "%bb", "${7*7}{{7*7}}", "javascript:alert(1)"],
];

async function checkUnrepeated(port: number, target: string): Promise<void> {
  for (const accept of ["text/html", "application/json", "text/plain"]) {
    const plain = await ask(port, "GET", "/plain-and-missing", `Accept: ${accept}`);
    const { status, headers, text } = await ask(port, "GET", target, `Accept: ${accept}`);
    assert(status === 400 || status === 404, `${target} is ${status}`);
    assertEquals(headers.get("content-type"), plain.headers.get("content-type"));
    assertEquals(headers.get("x-injected"), null);
    assertEquals(skeletonOf(text), skeletonOf(plain.text));
    assert(!/alert|onload|onerror|X-Injected|7\*7|49/.test(text), text);
  }
}

Deno.test({ name: "advisories about what pages echo and disclose", ignore }, async (t) => {
  await using tree = await tempTree({ "alive.txt": "alive", "sub/in.txt": "in", "page/index.html": "index" });
  await using command = await start([tree.path]);
  const { port } = command;

  await t.step("bpo-1100201, CVE-2024-43799 (send): an error page does not echo the target", async () => {
    await withEach(PAYLOADS, (payload) => checkUnrepeated(port, `/${payload.replaceAll(" ", "%20")}`));
  });
  await t.step(
    "GHSA-cw7j, GHSA-f54q, CVE-2025-54589 (copyparty): query parameters that are read are not repeated",
    async () => {
      const targets = ["sort", "order", "format"].flatMap((key) => {
        return PAYLOADS.map((payload) => `/sub/?${key}=${payload.replaceAll(" ", "%20")}`);
      });
      await withEach(targets, (target) => checkUnrepeated(port, target));
    },
  );
  await t.step("gh-104049, gh-133889 (Python): a listing shows nothing of the query, whatever it is", async () => {
    const plain = (await ask(port, "GET", "/sub/", "Accept: text/html")).text;
    for (const payload of PAYLOADS) {
      const query = payload.replaceAll(" ", "%20");
      assertEquals((await ask(port, "GET", `/sub/?x=${query}`, "Accept: text/html")).text, plain);
      assertEquals((await ask(port, "GET", `/sub/?${query}`, "Accept: text/html")).text, plain);
    }
  });
  await t.step("CVE-2026-61505 (HFS), CVE-2023-37474 (copyparty): a query names no file", async () => {
    for (const key of ["lang", "file", "path", "format", "template", ".cpr", "raw", "import"]) {
      for (const value of ["../sub/in.txt", "alive.txt", "/etc/passwd", "file:///etc/passwd"]) {
        const { text } = await ask(port, "GET", `/sub/?${key}=${value}`);
        assert(!text.includes("root:") && !text.includes("alive"), text);
      }
    }
  });
  await t.step(
    "CVE-2011-4940 (Python), CVE-2024-52793: every page has a charset, a policy and no script but ours",
    async () => {
      for (const target of ["/sub/", "/missing", "/sub/?sort=x", "/%00", "/.."]) {
        const { headers, text } = await ask(port, "GET", target, "Accept: text/html");
        assertEquals(headers.get("content-type"), "text/html; charset=utf-8", target);
        assertEquals(headers.get("x-content-type-options"), "nosniff");
        await assertOnlyOwnScript(headers.get("content-security-policy") ?? "", text);
      }
    },
  );
  await t.step(
    "CVE-2015-8859 (send), CVE-2026-34763 (Rack), miniserve 0.19.4: no answer tells where the root is",
    async () => {
      const targets = [
        "/",
        "/sub/",
        "/sub/?format=json",
        "/missing",
        "/sub/in.txt/",
        "/%00",
        "/..",
        "/page",
        "/sub/?x=%bb",
      ];
      for (const target of [...targets, `/${"x".repeat(256)}`, `/sub/?sort=${tree.path.slice(0, 3)}`]) {
        for (const accept of ["text/html", "application/json", "text/plain"]) {
          const { head, text } = await ask(port, "GET", target, `Accept: ${accept}`);
          assert(!(head + text).includes(tree.path), target);
          assert(!/\bat .*\.ts:\d|Deno\.|os error/.test(text), text);
        }
      }
    },
  );
  await t.step(
    "gh-87979 (Python): a method as long as a head can be is refused and is one line of the log",
    async () => {
      const before = command.stderr().split("\n").length;
      const method = "M".repeat(20_000);
      assertEquals((await ask(port, method, "/alive.txt")).status, 501);
      await command.untilStderr(`"${method} /alive.txt`);
      await assertAlive(command);
      await command.untilStderr('"GET /alive.txt');
      assertEquals(command.stderr().split("\n").slice(before - 1).filter((line) => line.includes(method)).length, 1);
    },
  );
});
