/** Conditional requests: RFC 9110 section 13. */

import { assertMatch } from "@std/assert";
import { DATA, EARLIER, LATER, MODIFIED } from "./site.ts";
import { etagOf, exchange, get, IMF_FIXDATE, type Row, row, send, sendEach, words } from "./support.ts";

const BAD_DATES = [
  "2020-02-03T02:02:02Z",
  "0",
  "9999999999999999999999",
  "Mon, 03 Feb 2020 02:02:02",
  "Mon, 03 Feb 2020 02:02:02 UTC",
  "Mon, 32 Feb 2020 02:02:02 GMT",
  "Mon, 31 Feb 2020 02:02:02 GMT",
  "Mon, 03 Feb 2020 25:02:02 GMT",
  "Mon, 03 Feb 2020 02:02:02 GMT, Tue, 04 Feb 2020 02:02:02 GMT",
  "tomorrow",
  "",
];

const OLD_BAD_DATES = BAD_DATES.map((date) => date.replaceAll("2020", "2000"));

export const CONDITIONS: readonly Row[] = [
  row(1, "9110 13.2.1", "what would not be 2xx is answered as if there were no condition", {
    asks: [
      ...["If-Match: *", 'If-Match: "nope"', "If-None-Match: *", `If-Modified-Since: ${LATER}`].flatMap((line) => [
        send("GET /missing", line).gets(404),
        send("GET /dir", line).gets(301, { location: "dir/" }),
        send("DELETE /hello.txt", line).gets(405),
        send("FROB /hello.txt", line).gets(501),
        send("GET /%zz", line).gets(400),
      ]),
      send("GET /missing", `If-Unmodified-Since: ${EARLIER}`).gets(404),
    ],
  }),
  row(2, "9110 13.2.2", "the preconditions are evaluated in order", {
    asks: [
      send("GET /hello.txt", "If-Match: {etag}", `If-Unmodified-Since: ${EARLIER}`).gets(200),
      send("GET /hello.txt", "If-None-Match: {etag}", 'If-Match: "nope"').gets(412),
      send("GET /hello.txt", "If-None-Match: {etag}", `If-Unmodified-Since: ${EARLIER}`).gets(412),
      send("GET /hello.txt", "If-None-Match: {etag}", "If-Match: {etag}").gets(304),
      send("GET /hello.txt", "If-None-Match: {etag}", `If-Unmodified-Since: ${LATER}`).gets(304),
      send("GET /hello.txt", `If-Modified-Since: ${LATER}`, `If-Unmodified-Since: ${LATER}`).gets(304),
      send("GET /hello.txt", "If-None-Match: {etag}", "Range: bytes=0-4", "If-Range: {etag}").gets(304),
      send("GET /hello.txt", 'If-None-Match: "nope"', "Range: bytes=0-4", "If-Range: {etag}").gets(206),
      send("GET /hello.txt", 'If-Match: "nope"', "Range: bytes=0-4", "If-Range: {etag}").gets(412),
      send("GET /hello.txt", "If-None-Match: {etag}", "Range: bytes=99-").gets(304),
    ],
  }),
  row(3, "9110 13.1.1", "If-Match compares strongly, and is 412 where it fails", {
    asks: [
      ...["GET", "HEAD"].flatMap((method) => [
        ...sendEach(`${method} /hello.txt`, "If-Match", ["*", "{etag}", '"nope", {etag}']).get(200),
        ...sendEach(`${method} /hello.txt`, "If-Match", ['"nope"', "W/{etag}", '"a", W/{etag}', "nope"]).get(412),
      ]),
      send("GET /dir/", "If-Match: *").gets(200),
      send("GET /dir/", "If-Match: {etag}").gets(412),
    ],
    async check(port) {
      const listing = await get(port, "/dir/");
      assertMatch(etagOf(listing), /^W\//);
      await exchange(port, send("GET /dir/", `If-Match: ${etagOf(listing)}`).gets(412));
    },
  }),
  row(4, "9110 13.1.4", "If-Unmodified-Since is 412 after the date, and ignored where it says nothing", {
    asks: [
      ...sendEach("GET /hello.txt", "If-Unmodified-Since", [MODIFIED, LATER]).get(200),
      send("GET /hello.txt", `If-Unmodified-Since: ${EARLIER}`).gets(412),
      send("HEAD /hello.txt", `If-Unmodified-Since: ${EARLIER}`).gets(412),
      ...sendEach("GET /hello.txt", "If-Unmodified-Since", OLD_BAD_DATES).get(200),
      send("GET /hello.txt", `If-Unmodified-Since: ${EARLIER}`, `If-Unmodified-Since: ${EARLIER}`).gets(200),
      send("GET /hello.txt", "If-Match: *", `If-Unmodified-Since: ${EARLIER}`).gets(200),
      send("GET /dir/", `If-Unmodified-Since: ${EARLIER}`).gets(200),
    ],
  }),
  row(5, "9110 13.1.2", "If-None-Match compares weakly, and is 304 where it fails", {
    asks: ["GET", "HEAD"].flatMap((method) => [
      ...sendEach(`${method} /hello.txt`, "If-None-Match", ["*", "{etag}", "W/{etag}", '"nope", {etag}']).get(304),
      ...sendEach(`${method} /hello.txt`, "If-None-Match", ['"nope"', 'W/"nope"', "nope", '""']).get(200),
    ]),
    async check(port) {
      const listing = etagOf(await get(port, "/dir/"));
      await exchange(port, send("GET /dir/", `If-None-Match: ${listing}`).gets(304, { etag: listing }));
      await exchange(port, send("GET /dir/", `If-None-Match: ${listing.slice(2)}`).gets(304));
    },
  }),
  row(6, "9110 13.1.3", "If-Modified-Since is ignored where there is If-None-Match", {
    asks: [
      send("GET /hello.txt", 'If-None-Match: "nope"', `If-Modified-Since: ${LATER}`).gets(200),
      send("GET /hello.txt", `If-Modified-Since: ${LATER}`, 'If-None-Match: "nope"').gets(200),
      send("GET /hello.txt", "If-None-Match: {etag}", `If-Modified-Since: ${EARLIER}`).gets(304),
    ],
  }),
  row(7, "9110 13.1.3", "If-Modified-Since is 304 at and after the time", {
    asks: ["GET", "HEAD"].flatMap((method) => [
      ...sendEach(`${method} /hello.txt`, "If-Modified-Since", [MODIFIED, LATER]).get(304),
      send(`${method} /hello.txt`, `If-Modified-Since: ${EARLIER}`).gets(200),
      send(`${method} /hello.txt`, "If-Modified-Since: Sun, 02 Feb 2020 02:02:01 GMT").gets(200),
    ]),
  }),
  row(8, "9110 13.1.3", "If-Modified-Since is ignored where it says nothing", {
    asks: [
      ...sendEach("GET /hello.txt", "If-Modified-Since", BAD_DATES).get(200),
      send("GET /hello.txt", `If-Modified-Since: ${LATER}`, `If-Modified-Since: ${LATER}`).gets(200),
      send("OPTIONS /hello.txt", `If-Modified-Since: ${LATER}`).gets(204),
      send("GET /dir/", `If-Modified-Since: ${LATER}`).gets(200),
    ],
  }),
  row(9, "9110 5.6.7", "three forms of dates are read, one is sent", {
    asks: [
      ...sendEach("GET /hello.txt", "If-Modified-Since", [
        "Sun, 02 Feb 2020 02:02:02 GMT",
        "Sunday, 02-Feb-20 02:02:02 GMT",
        "Sun Feb  2 02:02:02 2020",
        "Thursday, 01-Jan-49 00:00:00 GMT", // 2049
      ]).get(304),
      ...sendEach("GET /hello.txt", "If-Modified-Since", [
        "Sunday, 02-Feb-20 02:02:01 GMT",
        "Sun Feb  2 02:02:01 2020",
        "Friday, 01-Jan-99 00:00:00 GMT", // 1999: 2099 would be too far ahead
      ]).get(200),
      send("GET /hello.txt").gets(200, { "last-modified": MODIFIED, date: IMF_FIXDATE }),
    ],
  }),
  row(10, "9110 13.1.5", "If-Range lets a range count that is surely of the same bytes, and nothing else", {
    asks: [
      ...sendEach("GET /data.bin", "Range: bytes=0-9\r\nIf-Range", [
        "{data}",
        MODIFIED,
        "Sunday, 02-Feb-20 02:02:02 GMT",
      ])
        .get(206, { "content-range": "bytes 0-9/100000" }, DATA.slice(0, 10)),
      ...sendEach("GET /data.bin", "Range: bytes=0-9\r\nIf-Range", [
        "W/{data}",
        "{etag}",
        '"nope"',
        EARLIER,
        LATER,
        "nope",
        "*",
        "{data}, {data}",
      ]).get(200, { "content-range": null }, DATA),
      send("GET /data.bin", "If-Range: {data}").gets(200, { "content-range": null }),
      send("GET /data.bin", 'If-Range: "nope"').gets(200),
      send("HEAD /data.bin", "Range: bytes=0-9", "If-Range: {data}").gets(200, { "content-length": "100000" }),
      send("GET /data.bin", "Range: bytes=200000-", 'If-Range: "nope"').gets(200, {}, DATA),
      send("GET /data.bin", "Range: bytes=200000-", "If-Range: {data}").gets(416),
    ],
  }),
  row(11, "9110 5.6.1", "lists have empty members, any spacing, commas inside of tags, and go on in other lines", {
    asks: [
      ...sendEach("GET /hello.txt", "If-None-Match", [
        ", {etag}",
        '"x",, ,{etag},',
        '"x"\t,\t{etag}',
        '"a,b", {etag}',
        '"a","b",{etag},"c"',
        '"x"\r\nIf-None-Match: {etag}',
      ]).get(304),
      ...sendEach("GET /hello.txt", "If-Match", ['"a,b",{etag}', '"x"\r\nIf-Match: {etag}', ",,{etag}"]).get(200),
      send("GET /data.bin", "Range: bytes=,0-1 ,, 4-5,").gets(206, { "content-type": /^multipart\/byteranges/ }),
    ],
  }),
  row(12, "9110 15.4.5", "a 304 has no content and keeps what a cache needs", {
    asks: [
      ...words("GET HEAD").map((method) =>
        send(`${method} /hello.txt`, "If-None-Match: {etag}").gets(304, {
          etag: "{etag}",
          "cache-control": "no-cache",
          "content-type": null,
          "content-length": null,
          "content-range": null,
        })
      ),
      send("GET /dir/", "If-None-Match: *").gets(304, {
        etag: /^W\/"/,
        "cache-control": "no-cache",
        vary: /accept/i,
        "content-type": null,
      }),
    ],
  }),
];
