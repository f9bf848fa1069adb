/** Findings from profiles and experiments on cases whose goals may be missed, as shares of the CPU of a request. */

const SMALL =
  "half is the runtime's own share (`ceiling`); the rest is the line in the log, the stat of the file before " +
  "every response, the first access to the request's headers, method and URL, and the context of the request. It needs " +
  "a stat without a FileInfo, and access to fields without a Headers object.";

const FLOOR = "the runtime's own share (`ceiling`) is as much as nginx takes for everything; the rest is as for 1 KiB.";

/** Where the time of a case goes, and what would have to change, by case name. */
export const REASONS: Readonly<Record<string, string>> = {
  "1k": SMALL,
  browser: `${SMALL} Each field of the request costs extra: the runtime copies them all.`,
  "404": FLOOR,
  "304": FLOOR,
  "100k": "the runtime copies the body to the socket from its own memory, nginx sends pages of the page cache " +
    "(sendfile), for which Deno has no API.",
  range:
    "every byte is read into memory of the runtime and copied to the socket from there; nginx sends pages of the " +
    "page cache (sendfile), for which Deno has no API.",
  "tls-1k-64": SMALL,
  "h2-100k": "the runtime's HTTP/2 takes three times nginx's CPU for small responses, and copies the body once more.",
  list1000: "most of the time is the sending of 200 KB.",
  cold100:
    "as for 1,000; besides, a listing of any size takes 110 µs: five lookups that prove where a path lies, the response, " +
    "the page around the rows, and the digest for its entity tag. nginx sends no validators, and takes 12 µs.",
  cold1000:
    "reading names and a statx of each entry take the kernel 1.3 µs an entry, nearly nginx's total; the rest is " +
    "sorting, formatting, joining and encoding the rows, which are twice as long as nginx's.",
  list100000: "work is cut into slices separated by timers, because the runtime does not poll its connections while " +
    "other work is ready. The rest is garbage collection and other work on the machine.",
  memory: "most of it is the runtime's: an empty program takes more than 40 MiB.",
};
