/** No line of the log has the token of a share link. */

import { assert, assertEquals } from "@std/assert";
import type { LogFormat } from "../../handlers/core/access_line.ts";
import { redirectToHttps } from "../../handlers/layers/https.ts";
import { fileServer, memory, SitePath, toFetch } from "../../mod.ts";
import { withoutTokens } from "../../handlers/core/masked_log.ts";
import { Shares } from "../../handlers/identity/shares.ts";

const terms = { paths: [SitePath.root], rights: new Set(["read"] as const), expires: Infinity };
const { id, token } = new Shares(new Uint8Array(32).fill(7)).make(terms, "ann");
const LINK = `/.pyserve/share/${token}/a.txt`;

/** Every character as a percent escape. */
function encoded(text: string): string {
  return [...text].map((char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
}

function requireMasked(line: string): void {
  assert(!decodeURIComponent(decodeURIComponent(line)).includes(token.slice(-32)), line);
}

for (const format of ["python", "common", "combined", "json"] as LogFormat[]) {
  Deno.test(`no line has a token, whatever the request was answered with (${format})`, async () => {
    const lines: string[] = [];
    const log = {
      access: (line: string) => lines.push(line),
      error: (message: string) => lines.push(message),
    };
    const fail = () => {
      throw new Error("broken");
    };
    const site = fileServer(memory({ "a.txt": "a" }), { log: format });
    const handlers = [site, fileServer(memory({}), { layers: [redirectToHttps({ port: 8443 })], log: format }), fail];
    for (const handler of handlers) {
      const fetch = toFetch(handler, { log, accessLog: format, hosts: ["localhost"] });
      const paths = [LINK, LINK.replace("/share/", "%2Fshare%2F"), `/${LINK.slice(1).replaceAll("/", "%2f")}`];
      const forms = [...paths, LINK.replace(token, encoded(token)), LINK.replace(token, token.replaceAll(".", "%2E"))];
      for (const path of [...forms, LINK.replace(token, token.replaceAll(".", "%252e")), `/x?to=${encoded(LINK)}`]) {
        for (const host of ["localhost", "elsewhere.example"]) {
          const headers = { host, referer: `http://localhost${path}` };
          await (await fetch(new Request(`http://localhost${path}`, { headers }))).body?.cancel();
        }
      }
    }
    assert(lines.length >= 3 * 7 * 2);
    lines.forEach(requireMasked);
    assert(lines.some((line) => line.includes(`/.pyserve/share/${id}.../a.txt`)), "the id stays");
  });
}

Deno.test("nor has the cause of an error, whatever it is", async () => {
  const told: unknown[] = [];
  const log = { access: () => {}, error: (_: string, cause: unknown) => void told.push(cause) };
  const inner = new TypeError(`Cannot open ${LINK}`);
  const causes = [new Error(LINK), new Error("outer", { cause: inner }), LINK, { path: LINK }, new Error("harmless")];
  for (const cause of causes) {
    const fetch = toFetch(() => {
      throw cause;
    }, { log });
    await (await fetch(new Request("http://localhost/"))).body?.cancel();
  }
  assertEquals(told.length, causes.length);
  for (const cause of told) assert(!Deno.inspect(cause).includes(token.slice(-32)), Deno.inspect(cause));
  assert(told.slice(0, 4).every((cause) => Deno.inspect(cause).includes(`${id}...`)), "the id stays");
  assert((told[1] as Error).cause instanceof Error && (told[1] as Error).cause!.toString().startsWith("TypeError"));
  assertEquals(told[4], causes[4], "the same object");
});

Deno.test("other names, and malformed escapes, stay as they are", () => {
  const names = [
    "a.eyJ.txt",
    "%zz".repeat(40),
    encoded("x".repeat(40)),
    `${"a".repeat(80)}%2f%`,
    "vendor-chunk.abc.js",
  ];
  for (const text of names) assertEquals(withoutTokens(`"GET /${text} HTTP/1.1" 200`), `"GET /${text} HTTP/1.1" 200`);
});

Deno.test("a long line takes linear time", () => {
  const all = [`${"a".repeat(12)}.`.repeat(100_000), "%25".repeat(100_000), `${"a".repeat(12)}.eyJ`.repeat(50_000)];
  for (const text of all) withoutTokens(text);
});
