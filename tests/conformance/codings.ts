/** Codings, from precompressed files: RFC 9110 sections 8.4, 8.8.3.3 and 12.5. */

import { assertEquals } from "@std/assert";
import { FILES, MODIFIED } from "./site.ts";
import { ETAG, etagOf, exchange, get, type Row, row, send, words } from "./support.ts";

const BR = FILES["coded/app.js.br"]!;
const ZST = FILES["coded/app.js.zst"]!;
const GZIP = FILES["coded/app.js.gz"]!;

/** Accept-Encoding, and the expected coding and bytes. */
const CODINGS: readonly (readonly [accept: string, coding: string | null, body: string])[] = [
  ["gzip", "gzip", GZIP],
  ["GZip", "gzip", GZIP],
  ["x-gzip", "gzip", GZIP],
  ["br", "br", BR],
  ["zstd", "zstd", ZST],
  ["gzip, br", "br", BR],
  ["gzip;q=1, br;q=0.5", "gzip", GZIP],
  ["gzip;q=0.001", "gzip", GZIP],
  ["gzip ; q=0.5 , br ; q=0.4", "gzip", GZIP],
  ["br;q=0, gzip", "gzip", GZIP],
  ["*", "br", BR],
  ["*, br;q=0", "zstd", ZST],
  ["*;q=0, gzip", "gzip", GZIP],
  ["identity;q=0, gzip", "gzip", GZIP],
  ["identity;q=0.5, gzip;q=1", "gzip", GZIP],
  ["gzip, identity;q=0.5, *;q=0", "gzip", GZIP],
  [",, gzip,", "gzip", GZIP],
  ["", null, FILES["coded/app.js"]!],
  ["identity", null, FILES["coded/app.js"]!],
  ["gzip;q=0", null, FILES["coded/app.js"]!],
  ["gzip;q=0.000, br;q=0.0", null, FILES["coded/app.js"]!],
  ["x-gzip;q=0", null, FILES["coded/app.js"]!],
  ["*;q=0, identity", null, FILES["coded/app.js"]!],
  ["identity, gzip;q=0.5", null, FILES["coded/app.js"]!],
  ["deflate, compress", null, FILES["coded/app.js"]!],
  ["gzipped", null, FILES["coded/app.js"]!],
];

const GZIPPED = "Accept-Encoding: gzip";
const VARIES = { vary: /\baccept-encoding\b/i };

export const SIDECARS: readonly Row[] = [
  row(17, "9110 8.8.3.3", "each coding has its own tag, and the tag revalidates it", {
    async check(port) {
      const tags = new Set<string>();
      for (const coding of words("identity gzip br zstd")) {
        const accept = `Accept-Encoding: ${coding}`;
        const tag = etagOf(await get(port, "/coded/app.js", accept));
        tags.add(tag.replace(/^W\//, ""));
        await exchange(port, send("GET /coded/app.js", accept, `If-None-Match: ${tag}`).gets(304, { etag: tag }));
      }
      assertEquals(tags.size, 4);
    },
  }),
  row(17, "9110 8.8.3.3", "the tag of one coding says nothing of another", {
    async check(port) {
      const coded = etagOf(await get(port, "/coded/app.js", GZIPPED));
      await exchange(port, send("GET /coded/app.js", "Accept-Encoding: br", `If-None-Match: ${coded}`).gets(200));
      await exchange(port, send("GET /coded/app.js", `If-Match: ${coded}`).gets(412));
      const mixed = send("GET /coded/app.js", "Range: bytes=0-3", `If-Range: ${coded}`);
      await exchange(port, mixed.gets(200, {}, FILES["coded/app.js"]));
    },
  }),
  row(31, "9110 14.1.2", "ranges of a coded answer count the coded bytes", {
    async check(port) {
      const tag = etagOf(await get(port, "/coded/app.js", GZIPPED));
      const headers = { "content-range": `bytes 2-5/${GZIP.length}`, "content-encoding": "gzip", etag: tag };
      const request = send("GET /coded/app.js", GZIPPED, "Range: bytes=2-5", `If-Range: ${tag}`);
      await exchange(port, request.gets(206, headers, GZIP.slice(2, 6)));
      const beyond = send("GET /coded/app.js", GZIPPED, `Range: bytes=${GZIP.length}-`);
      await exchange(port, beyond.gets(416, { "content-range": `bytes */${GZIP.length}` }));
    },
  }),
  row(47, "9110 12.5.3", "Accept-Encoding is read as it is meant", {
    asks: [
      send("GET /coded/app.js").gets(200, { "content-encoding": null }, FILES["coded/app.js"]),
      ...CODINGS.map(([accept, coding, body]) =>
        send("GET /coded/app.js", `Accept-Encoding: ${accept}`).gets(200, { "content-encoding": coding }, body)
      ),
    ],
  }),
  row(48, "9110 12.5.5", "every answer of what has codings says that it varies", {
    asks: ["identity", "gzip"].flatMap((coding) => {
      const accept = `Accept-Encoding: ${coding}`;
      return [
        send("GET /coded/app.js", accept).gets(200, VARIES),
        send("HEAD /coded/app.js", accept).gets(200, VARIES),
        send("GET /coded/app.js", accept, "If-None-Match: *").gets(304, VARIES),
        send("GET /coded/app.js", accept, "Range: bytes=0-3").gets(206, VARIES),
      ];
    }),
  }),
  row(49, "9110 8.4", "a coded answer is of the file: its type and time, but its own tag and length", {
    asks: [
      send("GET /coded/app.js", GZIPPED).gets(200, {
        "content-type": "text/javascript; charset=utf-8",
        "last-modified": MODIFIED,
        "content-length": String(GZIP.length),
        etag: ETAG,
      }),
      send("GET /coded/stale.js", GZIPPED).gets(200, { "content-encoding": null }, "plain\n"),
      send("GET /coded/folder.js", GZIPPED).gets(200, { "content-encoding": null }, "plain\n"),
      send("GET /coded/alone.js", GZIPPED).gets(200, { "content-encoding": null }, "plain\n"),
      send("GET /coded/app.js.gz", GZIPPED).gets(200, { "content-encoding": null }, GZIP),
      send("GET /archive.tar.gz", GZIPPED).gets(200, { "content-encoding": null, "content-type": "application/gzip" }),
      send("GET /coded/app.jsx", GZIPPED).gets(404),
    ],
  }),
  row(50, "9110 9.3.2", "HEAD has the length of the coding that GET would send", {
    asks: CODINGS.map(([accept, coding, body]) =>
      send("HEAD /coded/app.js", `Accept-Encoding: ${accept}`).gets(200, {
        "content-encoding": coding,
        "content-length": String(body.length),
      })
    ),
  }),
];
