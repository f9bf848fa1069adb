/** Findings from profiles and experiments on cases whose goals may be missed; the figures are from a quiet machine. */

/** Where the time of a case goes, and what would have to change, by case name. */
export const REASONS: Readonly<Record<string, string>> = {
  "1k":
    "of 17 µs the runtime takes 11.5 for a cloned response, the stat before every answer 3, reading the header 1.7 " +
    "(4 with the twelve fields of a browser), method and URL 0.8. It needs a stat without a FileInfo (a system call is " +
    "below 1 µs), and fields that can be read without a Headers object, which copies and sorts them.",
  "100k":
    "the runtime copies the body to the socket from its own memory, nginx sends the pages of the system's cache " +
    "(sendfile), which no interface of Deno does.",
  "304":
    "the runtime takes 6.7 µs for the response alone; stat, header, method and URL take the 5 that a 1 KiB file has " +
    "them take. It needs the same.",
  "404":
    "the runtime takes 7.5 µs for the response alone, as long as nginx for everything; the rest is the stat, the " +
    "header, method and URL. The cheaper look, existsSync, comes with node:fs: 12 MiB and 17 ms when it is loaded.",
  list1000:
    "28 of its 45 µs are for sending 200 KB, which other work on the machine slows more than it slows nginx, which " +
    "computes. On a quiet machine it has 34 times nginx's rate.",
  cold100: "as for 1,000; beside it each listing proves that its directory is inside, unchanged and without an index " +
    "page, in some ten calls of 3 to 8 µs.",
  cold1000:
    "reading names takes 0.6 µs and lstat 2 µs an entry, which is what nginx takes in all; all that is done with " +
    "them takes as long again. It needs a readDir that brings size and time, or a stat without a FileInfo.",
  list100000:
    "work is cut into slices of 4 ms with pauses by timer between them, because the runtime does not look at its " +
    "connections while anything is ready to go on (setImmediate, messages). What is left is collection of garbage, and " +
    "other work on the machine. It needs a fair turn for connections, or a way to ask for one.",
  tls: "each byte goes through node's TLS and two streams of JavaScript to a server behind, only because Deno.serve " +
    "leaves Nagle's algorithm on under TLS. It needs an option to turn that off, as there is for TCP.",
  h2: "as for HTTPS with HTTP/1.1.",
};
