/** Findings from profiles and experiments on cases whose goals may be missed, as shares of the CPU of a request. */

const SMALL =
  "60 % is the runtime's own share (`ceiling`: creating the request and the response, and sending). The rest is the " +
  "statx of the file before every response (1 µs, mostly the kernel's), the line in the log (1.2), garbage collection " +
  "(0.7), and the lookup, the check of the host and the context of the request.";

const FLOOR = "the runtime's own share (`ceiling`) is as much as nginx takes for everything; the rest is as for 1 KiB.";

const SMALL_NATIVE = "60 % is the kernel's: recv, statx, send and epoll_wait.";

/** Where the time of `--engine native` goes, by case name. */
export const NATIVE_REASONS: Readonly<Record<string, string>> = {
  "1k-1": SMALL_NATIVE,
  "1k-64": SMALL_NATIVE,
  "1k-512": SMALL_NATIVE,
  browser: SMALL_NATIVE,
  "404": SMALL_NATIVE,
  "304": SMALL_NATIVE,
  "100k": "nginx takes half the CPU time with the same system calls (sendfile); why is not known.",
  handler:
    "each request gets a Request object and a Response that are made in JavaScript; the runtime makes its own in Rust, and " +
    "only when they are used.",
};

/** Where the time of a case goes, and what would have to change, by case name. */
export const REASONS: Readonly<Record<string, string>> = {
  "1k": SMALL,
  browser: `${SMALL} Where one field is read, the runtime creates texts for all of them.`,
  "404": FLOOR,
  "304": FLOOR,
  "100k": "the runtime copies the body to the socket from its own memory, nginx sends pages of the page cache " +
    "(sendfile), for which Deno has no API.",
  range:
    "the runtime reads 64 KiB at a time on other threads: waiting for these takes 28 % of the CPU, switching between them " +
    "11 %, sending 24 %, copying 12 %. nginx sends pages of the page cache (sendfile), for which Deno has no API.",
  "tls-1k-1": SMALL,
  "tls-1k-64": SMALL,
  "tls-100k-1": "most of it is the runtime's own share (`ceiling`).",
  "h2-100k": "the runtime's HTTP/2 takes three times nginx's CPU for small responses, and copies the body once more.",
  list100: "a listing that is cached costs what a file of its size costs, and the goal is relative to nginx, which " +
    "takes half the time on this machine that it took on the one of the goal.",
  list1000: "most of the time is the sending of 200 KB.",
  cold100:
    "as for 1,000; besides, a listing of any size takes 110 µs: five lookups that prove where a path lies, the response, " +
    "the page around the rows, and the digest for its entity tag. nginx sends no validators, and takes 12 µs.",
  cold1000:
    "reading names and a statx of each entry take the kernel 1.3 µs an entry, nearly nginx's total; the rest is " +
    "sorting, formatting, joining and encoding the rows, which are twice as long as nginx's.",
  list100000: "work is cut into slices separated by timers, because the runtime does not poll its connections while " +
    "other work is ready. The rest is garbage collection and other work on the machine.",
  start:
    "loading modules, and compiling some 500 functions, which Deno does not cache: an empty handler answers after a " +
    "third of the time.",
  memory:
    "more than half of it is the runtime's: an empty handler of Deno takes 33 MiB. Of the rest, half is Deno's own " +
    "code for what pyserve uses (compiling, calling libc), mapped from its program.",
};
