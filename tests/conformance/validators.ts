/** Validators and caching: RFC 9110 section 8.8, and RFC 9111. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { settleTimes } from "../support/tree.ts";
import { MODIFIED, site } from "./site.ts";
import { ETAG, etagOf, exchange, get, IMF_FIXDATE, type Row, row, send, words } from "./support.ts";

export const VALIDATORS: readonly Row[] = [
  row(13, "9110 8.8.2.1", "files have Last-Modified, and all there is has an ETag", {
    asks: [
      send("GET /hello.txt").gets(200, { "last-modified": MODIFIED, etag: "{etag}" }),
      send("GET /data.bin").gets(200, { "last-modified": MODIFIED, etag: "{data}" }),
      send("GET /site/").gets(200, { "last-modified": MODIFIED, etag: ETAG }),
      send("GET /empty.txt").gets(200, { "last-modified": MODIFIED, etag: ETAG }),
      send("GET /dir/").gets(200, { etag: ETAG }),
    ],
  }),
  row(14, "9110 8.8.2.1", "Last-Modified is never later than Date", {
    async check(port) {
      const { headers } = await get(port, "/dir2/file.txt");
      const [modified, date] = ["last-modified", "date"].map((name) => headers.get(name));
      assertMatch(modified ?? "", IMF_FIXDATE);
      assert(Date.parse(modified!) <= Date.parse(date!), `${modified} is later than ${date}`);
    },
  }),
  row(15, "9110 8.8.3", "an ETag is a quoted string of visible characters", {
    asks: words("/hello.txt /names/ /names/a%20b.txt /dir2/file.txt /dir/?format=json").map((target) =>
      send(`GET ${target}`).gets(200, { etag: ETAG })
    ),
  }),
  row(16, "9110 8.8.1", "a tag that outlives a change of the bytes is weak", {
    asks: [send("GET /hello.txt").gets(200, { etag: /^"/ })],
    async check(port) {
      // As bad as it gets: the same size and the same time, and maybe the same second.
      const change = async (content: string) => {
        await Deno.writeTextFile(site.at("edited/file.txt"), content);
        await settleTimes(site.at("edited/file.txt"), 1_000_000_000);
        return await get(port, "/edited/file.txt");
      };
      const [before, after] = [await change("one\n"), await change("two\n")];
      assertEquals([before.text, after.text], ["one\n", "two\n"]);
      assert(etagOf(before) !== etagOf(after) || etagOf(before).startsWith("W/"), etagOf(before));
      await exchange(port, send("GET /edited/file.txt", `If-Match: W/${etagOf(before)}`).gets(412));
    },
  }),
  row(18, "9110 8.8.1", "a listing's validators do not outlive a change of what it shows", {
    asks: [send("GET /edited/").gets(200, { "last-modified": null, etag: /^W\// })],
    async check(port) {
      await Deno.writeTextFile(site.at("edited/file.txt"), "short\n");
      const before = etagOf(await get(port, "/edited/"));
      await Deno.writeTextFile(site.at("edited/file.txt"), "now it is longer\n");
      const { text } = await exchange(port, send("GET /edited/", `If-None-Match: ${before}`).gets(200));
      assert(text.includes("17 bytes"), text);
    },
  }),
  row(19, "9111 4.2.2", "caches are told to ask again, and are told so by every answer of a file", {
    asks: [
      send("GET /hello.txt").gets(200, { "cache-control": "no-cache" }),
      send("HEAD /hello.txt").gets(200, { "cache-control": "no-cache" }),
      send("GET /hello.txt", "Range: bytes=0-1").gets(206, { "cache-control": "no-cache" }),
      send("GET /hello.txt", "If-None-Match: *").gets(304, { "cache-control": "no-cache" }),
      send("GET /dir/").gets(200, { "cache-control": "no-cache" }),
    ],
  }),
  row(19, "9110 15.1", "redirects and errors that caches may keep as they see fit say that they are not to be kept", {
    asks: [
      send("GET /dir").gets(301, { "cache-control": "no-cache" }),
      send("GET /dir?format=json").gets(301, { "cache-control": "no-cache" }),
      send("GET /missing").gets(404, { "cache-control": "no-cache" }),
      send("GET /missing", "Accept: text/html").gets(404, { "cache-control": "no-cache" }),
      send("GET /missing", "Accept: application/json").gets(404, { "cache-control": "no-cache" }),
      send("DELETE /hello.txt").gets(405, { "cache-control": "no-cache" }),
      send("FROB /hello.txt").gets(501, { "cache-control": "no-cache" }),
      send(`GET /${"a".repeat(16_384)}`).gets(414, { "cache-control": "no-cache" }),
    ],
  }),
];

export const OWN_CACHING: readonly Row[] = [
  row(19, "9111 4.2.2", "a Cache-Control of one's own is on redirects and errors, too", {
    asks: [
      send("GET /dir").gets(301, { "cache-control": "public, max-age=60" }),
      send("GET /missing").gets(404, { "cache-control": "public, max-age=60" }),
    ],
  }),
  row(19, "9111 4.3.4", "a Cache-Control of one's own is on the 304 too", {
    asks: ["", "Range: bytes=0-1", "If-None-Match: *"].map((line) =>
      send("GET /hello.txt", ...line ? [line] : []).gets([200, 206, 304], { "cache-control": "public, max-age=60" })
    ),
  }),
];
