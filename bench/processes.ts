/** Processes that the benchmark starts, each ended by its own id, and what /proc says of them and of their children. */

/** Ticks in a second of /proc/PID/stat: 100 on every Linux that Deno runs on. */
const TICKS = 100;

/** Time for a server to end by itself before it is killed. */
const GRACE_MS = 2_000;

const running = new Set<Deno.ChildProcess>();
let ending = false;

/** Starts a program that runs until {@linkcode stop} or {@linkcode stopAll}. */
export function start([program, ...args]: readonly string[], env: Readonly<Record<string, string>> = {}) {
  if (ending) throw new Error("Interrupted");
  const io = { stdin: "null", stdout: "null", stderr: "null" } as const;
  return remember(new Deno.Command(program!, { args, env, ...io }).spawn());
}

/** What a program printed on both its outputs; null where it is not there, fails, or takes longer than `seconds`. */
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

/** Ends one process, and if it does not end in time, it and its children. */
export async function stop(child: Deno.ChildProcess): Promise<void> {
  if (!running.has(child)) return;
  const all = tree(child.pid);
  kill(child.pid, "SIGTERM");
  const timer = setTimeout(() => all.forEach((pid) => kill(pid, "SIGKILL")), GRACE_MS);
  await child.status;
  clearTimeout(timer);
}

/** Ends everything that was started, and lets nothing be started after it. */
export async function stopAll(): Promise<void> {
  ending = true;
  await Promise.all([...running].map(stop));
}

/** Ends the servers, whereupon the run fails and cleans up after itself. */
export function onInterrupt(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      Deno.exitCode = 130;
      stopAll();
    });
  }
}

/** Seconds of CPU, user and system, that a process and its children have used, those that have ended included. */
export function cpuSeconds(pid: number): number {
  return ownCpuSeconds(pid) + sum(tree(pid), (one) => ticks(statFields(one).slice(13, 15)));
}

/**
 * The same without the children that have ended: what the processes of a server use, and not the programs that they run
 * one after the other. The copying of page tables for a fork counts as the server's own, what follows it as the child's.
 */
export function ownCpuSeconds(pid: number): number {
  return sum(tree(pid), (one) => ticks(statFields(one).slice(11, 13)));
}

function ticks([user = "0", system = "0"]: readonly string[]): number {
  return (Number(user) + Number(system)) / TICKS;
}

/** Bytes of memory in which a process and its children reside. Pages that they share count for each. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** Forgets what {@linkcode peakBytes} has seen until now. */
export function forgetPeak(pid: number): void {
  for (const one of tree(pid)) Deno.writeTextFileSync(`/proc/${one}/clear_refs`, "5");
}

/** The most that {@linkcode residentBytes} has been; of several processes the sum of what each has been at most. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** A field of /proc/PID/status, over a process and its children. */
function statusBytes(pid: number, field: string): number {
  return sum(tree(pid), (one) => {
    const [, kibibytes = 0] = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(`/proc/${one}/status`)) ?? [];
    return Number(kibibytes) * 1024;
  });
}

/** Seconds that all cores have worked since the machine was started. */
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
    // It has ended by itself.
  }
}

/** A process and all that descend from it. */
function tree(root: number): number[] {
  const children = Map.groupBy(pids(), (pid) => Number(statFields(pid)[1]));
  const found = [root];
  for (const pid of found) found.push(...children.get(pid) ?? []);
  return found;
}

function pids(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
}

/** The fields of /proc/PID/stat after the name, which may itself contain spaces and brackets. */
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** A file of /proc; empty where the process has just ended. */
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

/** A character for each byte, so that the length of a body is its size. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
