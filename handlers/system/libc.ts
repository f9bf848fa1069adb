/**
 * The functions of the C library that pyserve calls, declared once.
 *
 * Deno has no API for some system calls, and for others a slower one. On Linux, they are called through FFI if
 * `--allow-ffi` is granted without exceptions; wherever {@linkcode openLibc} returns null or a call fails, the fallback
 * named with each function takes over. Functions and system calls have the same arguments in glibc and musl, on x86-64
 * and aarch64; what differs is in this module.
 *
 * Each user binds only the functions that it needs: Deno compiles a trampoline for each synchronous one, which takes
 * 0.06 ms, or 0.17 ms with a `buffer` argument. Opening the library takes 0.5 ms the first time and 0.03 ms afterwards.
 * For fast calls, pointers are created once ({@linkcode pinned}) and lengths are 32 bits wide.
 *
 * @module
 */

const FUNCTIONS = {
  /**
   * open(2), for `O_PATH` and `O_NONBLOCK`, which Deno.openSync does not have. The path ends with NUL.
   * Fallback: `node:fs`.
   */
  open: { parameters: ["pointer", "i32"], result: "i32" },
  /** The same on the runtime's thread pool, for slow file systems; `errno` is not available then. */
  openLater: { name: "open", parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  /**
   * openat2(2), for `RESOLVE_BENEATH`: {@linkcode SYS_OPENAT2}, directory, path, `struct open_how`, its size. A system
   * call, because C libraries have no function for it. Fallback: `open`, then readlink(2) of the descriptor.
   */
  openat2: { name: "syscall", parameters: ["i32", "i32", "pointer", "pointer", "u32"], result: "i32" },
  /** The same on the runtime's thread pool. */
  openat2Later: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "pointer", "u32"],
    result: "i32",
    nonblocking: true,
  },
  /**
   * statx(2), in a third of the time of Deno's call: {@linkcode SYS_STATX}, directory, path, flags, fields, buffer. A
   * system call, because musl has no function for it before 1.2.5. Fallback: Deno.statSync, Deno.lstatSync.
   */
  statx: { name: "syscall", parameters: ["i32", "i32", "pointer", "i32", "u32", "pointer"], result: "i32" },
  /**
   * getdents64(2), for the names in a directory as bytes, in half the time: {@linkcode SYS_GETDENTS64}, directory,
   * buffer, its size. A system call, because glibc has no function for it before 2.30. Fallback: Deno.readDirSync.
   */
  getdents64: { name: "syscall", parameters: ["i32", "i32", "pointer", "u32"], result: "i32" },
  /** read(2) of a bare descriptor, which Deno cannot read. Fallback: that of its user. */
  read: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  /**
   * preadv2(2), for `RWF_NOWAIT`: {@linkcode SYS_PREADV2}, descriptor, `struct iovec`, their number, offset (of which
   * the upper half is ignored where it fits into one word), flags. A system call, because musl has no function for it
   * before 1.2.5. Fallback: the reads of Deno.FsFile.
   */
  preadv2: {
    name: "syscall",
    parameters: ["i32", "i32", "pointer", "i32", "i64", "i32", "i32"],
    result: "i32",
  },
  /** close(2), for the descriptors that these functions open. Never retried: after `EINTR`, it is closed. */
  close: { parameters: ["i32"], result: "i32" },
  /** errno(3), as glibc and musl define it: the address of the number, one for each thread. */
  __errno_location: { parameters: [], result: "pointer" },

  /** fcntl(2), to find open descriptors, and for flags. Fallback of this and all below: that of `sockets.ts`. */
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** getsockopt(2), to recognize listeners, and for the traffic of a connection. */
  getsockopt: { parameters: ["i32", "i32", "i32", "pointer", "pointer"], result: "i32" },
  /** setsockopt(2), for options that Deno.serve does not set. */
  setsockopt: { parameters: ["i32", "i32", "i32", "pointer", "u32"], result: "i32" },
  /** getsockname(2), for the address of a bare descriptor. */
  getsockname: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  /** getpeername(2), for the client of a bare descriptor. */
  getpeername: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  /** connect(2), to reset a connection. */
  connect: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  /** ioctl(2), for the number of unread bytes. */
  ioctl: { parameters: ["i32", "usize", "pointer"], result: "i32" },
  /** dup3(2), to replace the socket of a listener. Fallback of this and all below: that of `listeners.ts`. */
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** epoll_ctl(2), to register the new socket of a listener. */
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  /** socket(2), for a socket that never receives a connection. */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** bind(2) of that socket. */
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** listen(2) on that socket. */
  listen: { parameters: ["i32", "i32"], result: "i32" },

  /** The calls of the native transport, which has no other way: `sockets/`. accept4(2). */
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  /** epoll_ctl(2) as above, with an address that is known. */
  epollControl: { name: "epoll_ctl", parameters: ["i32", "i32", "i32", "pointer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "pointer", "i32", "i32"], result: "i32" },
  /** The same on the runtime's thread pool, while this thread does something else. */
  epoll_waitLater: {
    name: "epoll_wait",
    parameters: ["i32", "pointer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "pointer", "u32", "i32"], result: "i32" },
  send: { parameters: ["i32", "pointer", "u32", "i32"], result: "i32" },
  sendmsg: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  sendfile: { parameters: ["i32", "i32", "pointer", "u32"], result: "i32" },
  /** pread(2) on the thread pool: brings a part of a file into the page cache. */
  preadLater: { name: "pread", parameters: ["i32", "pointer", "u32", "i64"], result: "i32", nonblocking: true },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  memfd_create: { parameters: ["pointer", "u32"], result: "i32" },
  memcmp: { parameters: ["pointer", "pointer", "u32"], result: "i32" },

  /**
   * sched_setscheduler(2), for threads that only run when the machine is idle: {@linkcode SYS_SCHED_SETSCHEDULER},
   * thread, policy, `struct sched_param`. A system call, because musl's function refuses. Fallback of this and all
   * below: the threads keep their priority.
   */
  sched_setscheduler: { name: "syscall", parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  /** gettid(2) of a thread of the runtime's pool: {@linkcode SYS_GETTID}. No function before glibc 2.30. */
  gettidLater: { name: "syscall", parameters: ["i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

type Functions = Deno.StaticForeignLibraryInterface<typeof FUNCTIONS>;

/** A function's name here. */
export type FunctionName = keyof typeof FUNCTIONS;

/**
 * Some functions of the C library. Dispose of it to unload them. A plain object, so that tests can replace a function
 * by one that fails.
 */
export type Libc<Name extends FunctionName> = { -readonly [Each in Name]: Functions[Each] } & Disposable;

/** glibc, then musl. */
const NAMES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`, "libc.so"];

/**
 * Opens the C library with the given functions; null if unavailable (on platforms other than Linux, without
 * `--allow-ffi`, and if the library has another name).
 */
export function openLibc<Name extends FunctionName>(...functions: Name[]): Libc<Name> | null {
  if (Deno.build.os !== "linux") return null;
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  if (state !== "granted" || partial) return null;
  const symbols = Object.fromEntries(functions.map((name) => [name, FUNCTIONS[name]]));
  for (const name of NAMES) {
    try {
      const library = Deno.dlopen(name, symbols);
      return { ...library.symbols, [Symbol.dispose]: () => library.close() } as unknown as Libc<Name>;
    } catch {
      // Try the next name.
    }
  }
  return null;
}

/** The number of the last error of this thread; read it before any other call can change it. */
export function errnoOf(libc: Libc<"__errno_location">): () => number {
  const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(libc.__errno_location()!, 4));
  return () => errno[0]!;
}

/** More signals than that do not arrive during one call. */
const MOST_INTERRUPTIONS = 100;

/** Repeats a call that a signal has interrupted. */
export function uninterrupted(call: () => number, errno: () => number): number {
  let result = call();
  for (let i = 0; i < MOST_INTERRUPTIONS && result < 0 && errno() === EINTR; i++) result = call();
  return result;
}

/** A buffer and its address: allocated outside V8's heap, so it does not move while it is referenced. */
export interface Pinned<Bytes extends Uint8Array | Uint32Array | Int32Array> {
  /** The buffer; keep a reference to it for as long as the address is used. */
  readonly bytes: Bytes;
  readonly at: Deno.PointerObject;
}

/** Determines the address of a buffer. Creating it takes longer than a call, so do it once. */
export function pinned<Bytes extends Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(
  bytes: Bytes,
): Pinned<Bytes> {
  const { buffer, byteOffset } = bytes; // reading `buffer` moves the content of a small array out of V8's heap
  return { bytes, at: Deno.UnsafePointer.of(new Uint8Array(buffer, byteOffset))! };
}

const IS_ARM = Deno.build.arch === "aarch64";

/** The numbers of system calls (syscalls(2)). */
export const SYS_OPENAT2 = 437;
export const SYS_STATX = IS_ARM ? 291 : 332;
export const SYS_GETDENTS64 = IS_ARM ? 61 : 217;
export const SYS_PREADV2 = IS_ARM ? 286 : 327;

/** The flag of preadv2(2) for reading only what is in memory. */
export const RWF_NOWAIT = 8;

export const SYS_SCHED_SETSCHEDULER = IS_ARM ? 119 : 144;
export const SYS_GETTID = IS_ARM ? 178 : 186;

/** The flags of open(2). */
export const O_RDONLY = 0;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = IS_ARM ? 0o40000 : 0o200000;
export const O_NOFOLLOW = IS_ARM ? 0o100000 : 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/** In place of a directory: paths are relative to the working directory. */
export const AT_FDCWD = -100;

/** The longest path that Linux accepts, in bytes, with its NUL. */
export const PATH_MAX = 4_096;

/** errno(3). */
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOTDIR = 20;
export const EMFILE = 24;
export const ENOSYS = 38;
export const ENOMEM = 12;
export const ENFILE = 23;
export const EPIPE = 32;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;

/** `SOCK_STREAM` and the address families of socket(2). */
export const SOCK_STREAM = 1;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** The level of `SO_...` in socket(7), and those used. */
export const SOL_SOCKET = 1;
export const SO_KEEPALIVE = 9;
export const SO_ACCEPTCONN = 30;

/** The commands and the flag of fcntl(2). */
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;
export const F_DUPFD_CLOEXEC = 1_030;
