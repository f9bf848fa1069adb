/** Starts and stops processes by id, and reads their figures and those of their children from the system. */

import { setTimeout as pause } from "node:timers/promises";

/** Ticks per second in /proc/PID/stat: 100 on every Linux that Deno runs on. */
const TICKS = 100;

/** `CPUCLOCK_SCHED` (linux/posix-timers.h): the clock of the CPU time of a process. */
const CPU_CLOCK = 2;

let libc: ReturnType<typeof openLibc> | null = null;

/** The CPU time in which a server counts as idle, and how long to wait for that. */
const IDLE_SECONDS = 0.001;
const SETTLE_MS = 5_000;

/** Time for a server to exit before it is killed. */
const GRACE_MS = 2_000;

const running = new Set<Deno.ChildProcess>();
let ending = false;

/** Starts a program that runs until {@linkcode stop} or {@linkcode stopAll}. */
export function start([program, ...args]: readonly string[], env: Readonly<Record<string, string>> = {}) {
  if (ending) throw new Error("Interrupted");
  const io = { stdin: "null", stdout: "null", stderr: "null" } as const;
  return remember(new Deno.Command(program!, { args, env, ...io }).spawn());
}

/** Standard output and standard error of a program; null if it is missing, fails, or exceeds `seconds`. */
export async function run([program, ...args]: readonly string[], seconds = 60): Promise<string | null> {
  try {
    const io = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const child = remember(new Deno.Command(program!, { args, ...io }).spawn());
    const timer = setTimeout(() => kill(child.pid, "SIGKILL"), seconds * 1000);
    const { success, stdout, stderr } = await child.output();
    clearTimeout(timer);
    return success ? latin1(stdout) + latin1(stderr) : null;
  } catch {
    return null;
  }
}

/** Stops a process; kills it and its children if it does not exit in time. */
export async function stop(child: Deno.ChildProcess): Promise<void> {
  if (!running.has(child)) return;
  const all = tree(child.pid);
  kill(child.pid, "SIGTERM");
  const timer = setTimeout(() => all.forEach((pid) => kill(pid, "SIGKILL")), GRACE_MS);
  await child.status;
  clearTimeout(timer);
}

/** Stops all processes, and prevents new ones. */
export async function stopAll(): Promise<void> {
  ending = true;
  await Promise.all([...running].map(stop));
}

/** Stops the servers, which makes the run fail and clean up. */
export function onInterrupt(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      Deno.exitCode = 130;
      stopAll();
    });
  }
}

/** CPU seconds, user and system, of a process and its children, including exited ones. */
export function cpuSeconds(pid: number): number {
  const exited = (one: number) => statFields(one).slice(13, 15).reduce((ticks, field) => ticks + Number(field), 0);
  return ownCpuSeconds(pid) + sum(tree(pid), exited) / TICKS;
}

/**
 * The same without exited children: the server's own processes, but not the programs they run one after the other.
 * Copying page tables for a fork counts as the server's, anything after it as the child's.
 */
export function ownCpuSeconds(pid: number): number {
  return sum(tree(pid), clock);
}

/**
 * CPU seconds of all threads of a process, in nanoseconds: /proc/PID/stat counts in hundredths of a second, which is 1 %
 * of a load of a second. Zero if it has just exited.
 */
function clock(pid: number): number {
  const { symbols } = libc ??= openLibc();
  const time = new BigInt64Array(2);
  if (symbols.clock_gettime((~pid << 3) | CPU_CLOCK, time) !== 0) return 0;
  return Number(time[0]) + Number(time[1]) / 1e9;
}

/** glibc's; opened on first use, because this is for Linux only. */
function openLibc() {
  return Deno.dlopen("libc.so.6", { clock_gettime: { parameters: ["i32", "buffer"], result: "i32" } });
}

/** Waits until a server has finished requests whose clients have left, so that they do not count for the next. */
export async function settle(pid: number): Promise<void> {
  const begin = performance.now();
  for (let last = -1; cpuSeconds(pid) - last > IDLE_SECONDS && performance.now() - begin < SETTLE_MS;) {
    last = cpuSeconds(pid);
    await pause(40);
  }
}

/** Number of open descriptors of a process and its children. */
export function descriptors(pid: number): number {
  return sum(tree(pid), (one) => [...Deno.readDirSync(`/proc/${one}/fd`)].length);
}

/** Resident memory in bytes of a process and its children. Shared pages count for each. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** Resets {@linkcode peakBytes}. */
export function forgetPeak(pid: number): void {
  for (const one of tree(pid)) Deno.writeTextFileSync(`/proc/${one}/clear_refs`, "5");
}

/** The peak of {@linkcode residentBytes}; for several processes, the sum of their peaks. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** A field of /proc/PID/status, summed over a process and its children. */
function statusBytes(pid: number, field: string): number {
  return sum(tree(pid), (one) => {
    const [, kibibytes = 0] = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(`/proc/${one}/status`)) ?? [];
    return Number(kibibytes) * 1024;
  });
}

/** Seconds all cores have been busy since the machine was started. */
export function busySeconds(): number {
  const [line = ""] = Deno.readTextFileSync("/proc/stat").split("\n");
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

function remember(child: Deno.ChildProcess): Deno.ChildProcess {
  running.add(child);
  child.status.then(() => running.delete(child));
  return child;
}

function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has already exited.
  }
}

/** A process and all its descendants. */
function tree(root: number): number[] {
  const children = Map.groupBy(pids(), (pid) => Number(statFields(pid)[1]));
  const found = [root];
  for (const pid of found) found.push(...children.get(pid) ?? []);
  return found;
}

function pids(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
}

/** The fields of /proc/PID/stat after the name, which may contain spaces and parentheses. */
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** A file of /proc; empty if the process has just exited. */
function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

/** One character per byte, so that the length of a body is its size. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
