/**
 * What /proc/self tells about this process.
 *
 * @module
 */

import { F_GETFD, type Libc } from "./libc.ts";

/** The permissions that Deno requires for it. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

/** Whether Deno permits it: on Linux, if all permissions are granted (`--deny-read=...` counts as not all). */
export function mayReadProc(): boolean {
  return Deno.build.os === "linux" && ALL.every(isGranted);
}

function isGranted(name: (typeof ALL)[number]): boolean {
  const { state, partial } = Deno.permissions.querySync({ name });
  return state === "granted" && !partial;
}

/** Descriptors are allocated lowest first: after a gap this large, there are most likely no more. */
const LARGEST_GAP = 1_024;

/** The open descriptors in ascending order. */
export function openDescriptors(libc: Libc<"fcntl">): number[] {
  return listed() ?? tried(libc);
}

/** Null if /proc is not readable or not mounted. */
function listed(): number[] | null {
  if (!mayReadProc()) return null;
  try {
    return Array.from(Deno.readDirSync("/proc/self/fd"), ({ name }) => Number(name)).sort((a, b) => a - b);
  } catch {
    return null;
  }
}

function tried(libc: Libc<"fcntl">): number[] {
  const open: number[] = [];
  for (let fd = 0; fd - (open.at(-1) ?? 0) <= LARGEST_GAP; fd++) {
    if (libc.fcntl(fd, F_GETFD, 0) >= 0) open.push(fd);
  }
  return open;
}
