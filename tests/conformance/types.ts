/** Types, and what is coded: RFC 9110 sections 8.3 and 8.4. */

import { assertEquals } from "@std/assert";
import { FILES, KINDS, TYPES } from "./site.ts";
import { get, getEach, type Row, row, send, sendEach } from "./support.ts";

const WITH_CONTENT: typeof KINDS = [
  ...KINDS.filter(([status]) => status !== 301 && status !== 304),
  [206, "/hello.txt", "Range: bytes=0-1"],
  [416, "/hello.txt", "Range: bytes=99-"],
];

export const CONTENT: readonly Row[] = [
  row(43, "9110 8.3", "files have the type of their extension, in any case", {
    async check(port) {
      const types: Record<string, string | null> = {};
      for (const name of Object.keys(TYPES)) {
        types[name] = (await get(port, `/types/${name}`)).headers.get("content-type");
      }
      assertEquals(types, { ...TYPES });
    },
  }),
  row(44, "9110 8.3.2", "text is UTF-8, and what is binary has no charset", {
    async check(port) {
      for (const name of Object.keys(TYPES)) {
        const type = (await get(port, `/types/${name}`)).headers.get("content-type") ?? "";
        assertEquals(/; charset=utf-8$/.test(type), type.startsWith("text/"), type);
      }
    },
  }),
  row(45, "9110 8.3", "an unknown type is never guessed, not even by the browser", {
    asks: [
      ...getEach(["/odd.unknown", "/noextension"], 200, { "content-type": "application/octet-stream" }),
      ...WITH_CONTENT.map(([status, target, ...lines]) =>
        send(`GET ${target}`, ...lines).gets(status, { "x-content-type-options": "nosniff" })
      ),
    ],
  }),
  row(46, "9110 8.4", "an archive is an archive, and not a coding of something", {
    asks: ["", "Accept-Encoding: gzip"].map((line) =>
      send("GET /archive.tar.gz", ...line ? [line] : []).gets(200, {
        "content-type": "application/gzip",
        "content-encoding": null,
      }, FILES["archive.tar.gz"])
    ),
  }),
  row(47, "9110 12.5.3", "a precompressed file is sent to clients that accept its coding, and nothing else is coded", {
    asks: [
      ...sendEach("GET /coded/app.js", "Accept-Encoding", ["gzip, br, zstd", "*", "identity;q=0, br"])
        .get(200, { "content-encoding": "br", vary: "accept-encoding" }, FILES["coded/app.js.br"]),
      ...sendEach("GET /coded/app.js", "Accept-Encoding", ["identity", "deflate", "", "br;q=0"])
        .get(200, { "content-encoding": null, vary: "accept-encoding" }, FILES["coded/app.js"]),
      ...sendEach("GET /hello.txt", "Accept-Encoding", ["gzip, br, zstd", "*", "identity;q=0"])
        .get(200, { "content-encoding": null, vary: "accept-encoding" }, FILES["hello.txt"]),
    ],
  }),
];
