/**
 * Descriptors that stand for a place in the file system (`O_PATH`) and not for its content.
 *
 * Opening one never blocks and has no effect on what is opened: a FIFO has no reader by it and a device is not touched.
 * `/proc/self/fd/N` then means exactly that inode, whatever happens to its name, and reading that link tells where the
 * inode lies: the kernel's answer, not one put together from names.
 *
 * `open` and `close` of libc are called through FFI, which takes 1 ms to load; `node:fs` can do the same and takes 20, so
 * it is only asked where libc is not found under any of its names.
 *
 * @module
 */

/** The two calls. Tests replace them to exchange a path just before or after one. */
export interface PathDescriptors {
  /** Opens a path; with `follow` false a link at its end is opened itself. */
  open(path: string, follow: boolean): number;
  /** The same in a thread of the runtime, for file systems that are slow. */
  openLater(path: string, follow: boolean): Promise<number>;
  /** Closes a descriptor that `open` has returned. */
  close(descriptor: number): void;
}

const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;

/** What Deno asks for before it lets a program look into /proc/self. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

/** How often a name is opened that is there when it is looked at. */
const ATTEMPTS = 3;

/** glibc, then musl. */
const LIBC = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`, "libc.so"];

let made: PathDescriptors | null | undefined;

/**
 * The calls, or null where a place cannot be held: anywhere but on Linux, without /proc, and in a process that does not have
 * all permissions (Deno grants /proc/self to no other; one with an exception, `--deny-read=...`, counts as not having all).
 */
export function pathDescriptors(): PathDescriptors | null {
  return made === undefined ? made = make() : made;
}

function make(): PathDescriptors | null {
  if (Deno.build.os !== "linux" || !ALL.every(isGranted)) return null;
  const calls = throughLibc() ?? throughNode();
  try {
    const descriptor = calls.open("/", true);
    const real = Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
    calls.close(descriptor);
    return real === "/" ? calls : null;
  } catch {
    return null; // no /proc
  }
}

function isGranted(name: (typeof ALL)[number]): boolean {
  const { state, partial } = Deno.permissions.querySync({ name });
  return state === "granted" && !partial;
}

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  openLater: { name: "open", parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  close: { parameters: ["i32"], result: "i32" },
} as const;

function throughLibc(): PathDescriptors | null {
  const libc = loaded()?.symbols;
  if (!libc) return null;
  const encoder = new TextEncoder();
  const terminated = (path: string) => encoder.encode(path + "\0");
  return {
    open(path, follow) {
      const bytes = terminated(path);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const descriptor = libc.open(bytes, flagsFor(follow));
        if (descriptor >= 0) return descriptor;
        throwWhatStatThrows(path, follow);
      }
      throw whyNotOpened(libc);
    },
    async openLater(path, follow) {
      const bytes = terminated(path);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const descriptor = await libc.openLater(bytes, flagsFor(follow));
        if (descriptor >= 0) return descriptor;
        await (follow ? Deno.stat(path) : Deno.lstat(path));
      }
      throw whyNotOpened(libc);
    },
    close: (descriptor) => void libc.close(descriptor),
  };
}

/** What could be looked at and not be opened comes and goes; unless nothing can be opened, for want of descriptors. */
function whyNotOpened(libc: NonNullable<ReturnType<typeof loaded>>["symbols"]): Error {
  const descriptor = libc.open(new TextEncoder().encode("/\0"), flagsFor(true));
  if (descriptor < 0) return Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  libc.close(descriptor);
  return new Deno.errors.NotFound();
}

function loaded() {
  for (const name of LIBC) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch {
      // Not under this name.
    }
  }
  return null;
}

function flagsFor(follow: boolean): number {
  return O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
}

/**
 * errno is not asked for, since the runtime may have made calls of its own by then. Deno's own call on the same name says
 * the same, and as one of Deno's errors.
 */
function throwWhatStatThrows(path: string, follow: boolean): void {
  if (follow) Deno.statSync(path);
  else Deno.lstatSync(path);
}

function throughNode(): PathDescriptors {
  const fs = nodeFs();
  const open = (path: string, follow: boolean) => {
    try {
      return fs.openSync(path, flagsFor(follow));
    } catch (error) {
      throwWhatStatThrows(path, follow);
      throw error;
    }
  };
  return {
    open,
    openLater: (path, follow) => Promise.try(open, path, follow),
    close: (descriptor) => fs.closeSync(descriptor),
  };
}

/** Loads `node:fs` at once: an `import()` could only be awaited, and opening a file does not wait. */
export function nodeFs(): typeof import("node:fs") {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:fs"): typeof import("node:fs") };
  };
  return process.getBuiltinModule("node:fs");
}
