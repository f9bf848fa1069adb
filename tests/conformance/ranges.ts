/** Ranges: RFC 9110 section 14. */

import { assert, assertEquals } from "@std/assert";
import { latin1, parseResponse, type RawResponse } from "../support/raw.ts";
import { DATA } from "./site.ts";
import { etagOf, exchange, get, type Row, row, send, sendEach, words } from "./support.ts";

const part = (range: string, from: number, to: number) =>
  send("GET /data.bin", `Range: ${range}`).gets(
    206,
    {
      "content-range": `bytes ${from}-${to - 1}/100000`,
      "content-length": String(to - from),
      "content-type": "application/octet-stream",
    },
    DATA.slice(from, to),
  );

const whole = (range: string) => send("GET /data.bin", `Range: ${range}`).gets(200, { "content-range": null }, DATA);

const HUGE = "9".repeat(400);

export const RANGES: readonly Row[] = [
  row(20, "9110 14.3", "files say that they take ranges, and listings take none", {
    asks: [
      send("GET /data.bin").gets(200, { "accept-ranges": "bytes" }),
      send("HEAD /data.bin").gets(200, { "accept-ranges": "bytes" }),
      send("GET /dir/", "Range: bytes=0-9").gets(200, { "accept-ranges": null, "content-range": null }),
    ],
  }),
  row(21, "9110 14.1.2", "a range is first to last, open at its end, or a suffix", {
    asks: [
      part("bytes=0-0", 0, 1),
      part("bytes=0-9", 0, 10),
      part("bytes=10-19", 10, 20),
      part("bytes=99999-99999", 99_999, 100_000),
      part("bytes=99990-200000", 99_990, 100_000),
      part("bytes=0-", 0, 100_000),
      part("bytes=99990-", 99_990, 100_000),
      part("bytes=-1", 99_999, 100_000),
      part("bytes=-10", 99_990, 100_000),
      part("bytes=-100000", 0, 100_000),
      part("bytes=-100001", 0, 100_000),
      part("bytes=0-99999", 0, 100_000),
      part("bytes=20000-90000", 20_000, 90_001),
    ],
  }),
  row(22, "9110 14.1.2", "numbers of any length do not overflow", {
    asks: [
      part(`bytes=99990-${HUGE}`, 99_990, 100_000),
      part("bytes=5-9007199254740993", 5, 100_000),
      part("bytes=5-18446744073709551616", 5, 100_000),
      part(`bytes=-${HUGE}`, 0, 100_000),
      part("bytes=0000000000000000000000005-0000000000000000000000009", 5, 10),
      ...sendEach("GET /data.bin", "Range", [`bytes=${HUGE}-`, "bytes=18446744073709551616-", "bytes=4294967296-"])
        .get(416),
      whole("bytes=9007199254740993-9007199254740992"),
    ],
  }),
  row(23, "9110 15.5.17", "what lies outside is 416 and told the length", {
    asks: [
      "bytes=100000-",
      "bytes=100000-100000",
      "bytes=200000-300000",
      "bytes=-0",
      "bytes=100000-,-0",
      "bytes=100000-, 100001-100002",
    ].map((range) => send("GET /data.bin", `Range: ${range}`).gets(416, { "content-range": "bytes */100000" })),
  }),
  row(24, "9110 14.1.1", "an invalid set is never answered with a part", {
    asks: [
      ...words("bytes=5-4 bytes=a-b bytes=0-x bytes=+0-9 bytes=0-+9 bytes=--9 bytes=- bytes= bytes=, bytes=0"),
      ...words("bytes=0-9- bytes=0x0-0x9 bytes=0.0-9 bytes=0-9; bytes=0-9,5-4 bytes=0-9,x 0-9 bytes"),
      "bytes=0 - 9",
      "bytes 0-9",
      "bytes=0-1\r\nRange: bytes=4-5",
    ].map(whole),
  }),
  row(25, "9110 14.2", "other units and other methods know no ranges", {
    asks: [
      ...words("items=0-9 byte=0-9 bytes-x=0-9 =0-9 seconds=1-2").map(whole),
      part("BYTES=0-9", 0, 10),
      part("Bytes=0-9", 0, 10),
      send("HEAD /data.bin", "Range: bytes=0-9").gets(200, { "content-length": "100000", "content-range": null }),
      send("HEAD /data.bin", "Range: bytes=200000-").gets(200, { "content-length": "100000" }),
    ],
  }),
  row(26, "9110 15.3.7.2", "several ranges are the parts of a multipart, in the order asked for", {
    async check(port) {
      const response = await get(port, "/data.bin", "Range: bytes=500-509, 0-4, -8");
      assertEquals(response.headers.get("content-range"), null);
      assertEquals(partsOf(response), [
        ["application/octet-stream", "bytes 500-509/100000", DATA.slice(500, 510)],
        ["application/octet-stream", "bytes 0-4/100000", DATA.slice(0, 5)],
        ["application/octet-stream", "bytes 99992-99999/100000", DATA.slice(-8)],
      ]);
      const text = await get(port, "/hello.txt", "Range: bytes=0-1,4-5");
      assertEquals(partsOf(text).map(([type]) => type), ["text/plain; charset=utf-8", "text/plain; charset=utf-8"]);
      const streamed = partsOf(await get(port, "/data.bin", "Range: bytes=0-39999,50000-99999"));
      assertEquals(streamed.map(([, , content]) => content), [DATA.slice(0, 40_000), DATA.slice(50_000)]);
    },
  }),
  row(27, "9110 15.3.7.2", "one range is never a multipart", {
    asks: [part("bytes=0-9,", 0, 10), part("bytes=, 0-9", 0, 10), part("bytes=0-9, 100000-", 0, 10)],
  }),
  row(28, "9110 17.15", "no set of ranges makes more work than the whole", {
    asks: [
      whole("bytes=0-,0-"),
      whole("bytes=0-99999,0-0"),
      whole(`bytes=${Array(101).fill("0-0").join(",")}`),
      whole(`bytes=${Array(1000).fill("0-").join(",")}`),
      whole(`bytes=${",".repeat(10_000)}`),
    ],
    async check(port) {
      const hundred = Array.from({ length: 100 }, (_, index) => `${index * 10}-${index * 10}`).join(",");
      assertEquals(partsOf(await get(port, "/data.bin", `Range: bytes=${hundred}`)).length, 100);
      const merged = await get(port, "/data.bin", "Range: bytes=100-199,0-9,150-299");
      assertEquals(partsOf(merged).map(([, range]) => range), ["bytes 0-9/100000", "bytes 100-299/100000"]);
      await exchange(port, part("bytes=0-9,5-14", 0, 15));
    },
  }),
  row(29, "9110 15.3.7", "a 206 has the headers of the 200", {
    async check(port) {
      const of = ({ headers }: RawResponse) =>
        words("etag last-modified cache-control vary expires content-location content-type")
          .map((name) => headers.get(name));
      const [full, partial] = [await get(port, "/data.bin"), await get(port, "/data.bin", "Range: bytes=0-9")];
      assertEquals([full.status, partial.status], [200, 206]);
      assertEquals(of(partial), of(full));
      const resumed = await get(port, "/data.bin", "Range: bytes=0-9", "If-Range: {data}");
      assertEquals([resumed.status, etagOf(resumed)], [206, etagOf(full)]);
      const multipart = await get(port, "/data.bin", "Range: bytes=0-9,20-29");
      assertEquals(of(multipart).slice(0, -1), of(full).slice(0, -1));
    },
  }),
  row(30, "9110 14.1.2", "of nothing there is no part", {
    asks: sendEach("GET /empty.txt", "Range", words("bytes=0- bytes=0-0 bytes=-1 bytes=-0 bytes=1-2"))
      .get(200, { "content-length": "0", "content-range": null }, ""),
  }),
];

/** The parts of a multipart: type, range, content. */
function partsOf(response: RawResponse): [type: string, range: string, content: string][] {
  const boundary = /^multipart\/byteranges; boundary=(\w{1,70})$/.exec(response.headers.get("content-type") ?? "")?.[1];
  assert(boundary, response.head);
  assert(response.text.endsWith(`\r\n--${boundary}--\r\n`), "The last boundary is missing");
  return response.text.split(`\r\n--${boundary}`).slice(1, -1).map((part) => {
    const { headers, text } = parseResponse(latin1(`HTTP/1.1 206${part}`));
    return [headers.get("content-type") ?? "", headers.get("content-range") ?? "", text];
  });
}
