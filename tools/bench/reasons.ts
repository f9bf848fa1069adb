/** Findings from profiles and experiments on cases whose goals may be missed; the figures are from a quiet machine. */

/** Where the time of a case goes, and what would have to change, by case name. */
export const REASONS: Readonly<Record<string, string>> = {
  "1k":
    "of 17 µs the runtime takes 11.5 for a cloned response, the stat before every response 3, reading the header 1.7 " +
    "(4 with the twelve fields of a browser), method and URL 0.8. It needs a stat without a FileInfo (a system call is " +
    "below 1 µs), and access to fields without a Headers object, which copies and sorts them.",
  "100k": "the runtime copies the body to the socket from its own memory, nginx sends pages of the page cache " +
    "(sendfile), for which Deno has no API.",
  "304": "the runtime takes 6.7 µs for the response alone; stat, header, method and URL take 5, as for a " +
    "1 KiB file. It needs the same.",
  "404":
    "the runtime takes 7.5 µs for the response alone, as long as nginx for everything; the rest is the stat, the " +
    "header, method and URL. The cheaper existsSync needs node:fs, which takes 12 MiB and 17 ms to load.",
  list1000: "28 of its 45 µs are for sending 200 KB, which other work on the machine slows down more than the " +
    "computation in nginx. On a quiet machine it has 34 times nginx's rate.",
  cold100:
    "as for 1,000; besides, each listing proves that its directory is inside the root, unchanged and without an index " +
    "page, in some ten calls of 3 to 8 µs.",
  cold1000:
    "reading names takes 0.6 µs and lstat 2 µs an entry, which is nginx's total; processing the entries takes " +
    "as long again. It needs a readDir that returns size and time, or a stat without a FileInfo.",
  list100000: "work is cut into slices of 4 ms separated by timers, because the runtime does not poll its " +
    "connections while other work is ready (setImmediate, messages). The rest is garbage collection and " +
    "other work on the machine. It needs fair polling of connections, or a way to request it.",
  tls:
    "each byte passes through node's TLS and two JavaScript streams to an internal server, only because Deno.serve " +
    "leaves Nagle's algorithm enabled with TLS. It needs an option to disable it, as for TCP.",
  h2: "as for HTTPS with HTTP/1.1.",
};
