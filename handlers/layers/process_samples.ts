/**
 * What the process uses, for metrics.
 *
 * @module
 */

import type { Samples } from "./exposition.ts";

/** Deno 2.9 has it without a type. That of node:process is the same, but loading a module of Node takes longer. */
const { cpuUsage } = Deno as { cpuUsage?: () => { readonly user: number; readonly system: number } };

/** CPU time and memory of this process, and its descriptors where the system tells and Deno permits. */
export function processSamples(): Samples {
  const cpu = cpuUsage?.();
  const descriptors = openDescriptors();
  return {
    ...(cpu && { process_cpu_seconds_total: (cpu.user + cpu.system) / 1_000_000 }),
    process_resident_memory_bytes: Deno.memoryUsage().rss,
    ...(descriptors !== null && { process_open_fds: descriptors }),
  };
}

/** The maximum number of open descriptors; none if unlimited or unknown. */
export function descriptorLimit(): Samples {
  const limits = readProc(() => Deno.readTextFileSync("/proc/self/limits"));
  const limit = Number(/^Max open files +(\d+)/m.exec(limits ?? "")?.[1] ?? NaN);
  return Number.isNaN(limit) ? {} : { process_max_fds: limit };
}

function openDescriptors(): number | null {
  return readProc(() => [...Deno.readDirSync("/proc/self/fd")].length);
}

/** Never requests the permission: on a terminal, the runtime would prompt the operator while it serves. */
function readProc<T>(read: () => T): T | null {
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "read" }).state !== "granted") return null;
  try {
    return read();
  } catch {
    return null; // /proc is not mounted, or Deno denies it
  }
}
