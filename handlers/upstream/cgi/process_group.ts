/**
 * Runs programs in their own process groups, so that their child processes are killed with them.
 *
 * On Linux, programs are started through setsid(1) if it is installed. With Deno's `detached`, the runtime forks, which
 * copies the page tables of the whole server and blocks the event loop (434 starts per second instead of 1,150, and 72
 * with 300 MiB in use), whereas a plain start is a posix_spawn. setsid then execs the program: same process id, new
 * session, new group.
 *
 * Signalling a group needs `--allow-run` without a list. With a list, `detached` is used and only the program itself is
 * signalled, not its children.
 *
 * @module
 */

/** A numeric user of the system. */
export interface SystemUser {
  /** User id. */
  readonly uid: number;
  /** Group id; there are no supplementary groups. */
  readonly gid: number;
}

/** A program and how to start it. */
export interface ProgramLaunch {
  /** Absolute path of the program, so that PATH is not searched. */
  readonly command: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Its working directory. */
  readonly cwd: string;
  /** Its whole environment: nothing is inherited from the server. */
  readonly env: Readonly<Record<string, string>>;
  /** The user it runs as; defaults to the server's. Only root can choose another; not supported on Windows. */
  readonly user?: SystemUser | null;
}

/** How a program gets its own group: through setsid(1), or by the runtime. */
export type Style = "setsid" | "detached";

/** Milliseconds between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 1_000;
/** The system does not notify when the last process of a group exits, so it is polled. */
const LOOK_EVERY_MS = 20;

const live = new Set<ProcessGroup>();

/**
 * Starts a program with its output piped.
 *
 * @param stdin `"null"` for no input: the program reads the end of file at once.
 * @throws System errors. With setsid, only a failure to start setsid itself: any other is reported on stderr, with exit
 *   status 126 or 127.
 */
export function launch(program: ProgramLaunch, stdin: "piped" | "null", style: Style): ProcessGroup {
  const { cwd, env, user } = program;
  const options = { cwd, env: { ...env }, clearEnv: true, stdin, stdout: "piped", stderr: "piped" } as const;
  if (style === "detached") {
    const as = user ? { uid: user.uid, gid: user.gid } : {};
    return new ProcessGroup(
      new Deno.Command(program.command, { ...options, ...as, args: [...program.args], detached: true }).spawn(),
    );
  }
  const [command, ...args] = [setsid()!, ...asUser(user), program.command, ...program.args];
  return new ProcessGroup(new Deno.Command(command!, { ...options, args }).spawn());
}

function asUser(user: SystemUser | null | undefined): string[] {
  return user ? [setpriv()!, `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"] : [];
}

/** The best way to start a program here. */
export function bestStyle({ user }: ProgramLaunch): Style {
  return mayRunAnything() && setsid() !== null && (!user || setpriv() !== null) ? "setsid" : "detached";
}

const setsid = once(() => find("setsid"));
const setpriv = once(() => find("setpriv"));
const mayRunAnything = once(() => {
  const { state, partial } = Deno.permissions.querySync({ name: "run" });
  return state === "granted" && !partial;
});

function find(name: string): string | null {
  if (Deno.build.os !== "linux") return null;
  return ["/usr/bin", "/bin", "/run/current-system/sw/bin"].map((at) => `${at}/${name}`).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (mode! & 0o111) !== 0;
  } catch {
    return false; // missing, or access denied
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** A running program and its child processes. */
export class ProcessGroup {
  /** The program itself. */
  readonly child: Deno.ChildProcess;
  /** Resolves when the program itself has exited. */
  readonly exited: Promise<Deno.CommandStatus>;
  #hasExited = false;
  #ending: Promise<void> | null = null;

  /** Takes ownership of a child that leads a group. */
  constructor(child: Deno.ChildProcess) {
    this.child = child;
    this.exited = child.status.then((status) => this.#onExit(status));
    live.add(this);
    killAllAtUnload();
  }

  /**
   * Sends SIGTERM to the group, and SIGKILL to the remaining processes after a second. Resolves when the group is
   * empty.
   */
  end(): Promise<void> {
    return this.#ending ??= this.#end();
  }

  /** Resolves when the program has exited and, if `end` was called, the whole group with it. */
  get ended(): Promise<void> {
    return this.#ending ?? this.exited.then(() => {});
  }

  /** Sends SIGKILL to the whole group immediately. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  #onExit(status: Deno.CommandStatus): Deno.CommandStatus {
    this.#hasExited = true;
    // The process id may be reused. Background processes of a program that exits normally are not killed.
    if (this.#ending === null) live.delete(this);
    return status;
  }

  async #end(): Promise<void> {
    live.add(this);
    if (this.#signal("SIGTERM")) await this.#killLater();
    await this.exited;
    live.delete(this);
  }

  async #killLater(): Promise<void> {
    for (const deadline = performance.now() + KILL_AFTER_MS; performance.now() < deadline;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      if (this.#hasExited && !this.#hasMembers()) return;
    }
    this.#signal("SIGKILL");
  }

  #hasMembers(): boolean {
    // Signal 0 only probes; the type omits it.
    return mayRunAnything() && Deno.build.os !== "windows" && signalGroup(this.child.pid, 0 as unknown as Deno.Signal);
  }

  /** Returns whether any process received it. */
  #signal(signal: Deno.Signal): boolean {
    if (Deno.build.os === "windows") endTree(this.child.pid);
    else if (mayRunAnything() && signalGroup(this.child.pid, signal)) return true;
    // No group to signal: not permitted, or not yet created by setsid.
    return !this.#hasExited && signalChild(this.child, signal);
  }
}

function signalGroup(leader: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(-leader, signal);
    return true;
  } catch {
    return false; // the group is empty
  }
}

function signalChild(child: Deno.ChildProcess, signal: Deno.Signal): boolean {
  try {
    child.kill(signal);
    return true;
  } catch {
    return false; // already exited
  }
}

/** Windows has no process groups, but records each process's parent. */
function endTree(pid: number): void {
  try {
    const args = ["/T", "/F", "/PID", String(pid)];
    new Deno.Command("taskkill", { args, stdin: "null", stdout: "null", stderr: "null" }).spawn().unref();
  } catch {
    // Not permitted: the program itself is still killed.
  }
}

/**
 * Ends all running programs and their child processes: SIGTERM, and SIGKILL after a second. Call it when the server
 * stops; programs started in the meantime are not included. `cgiFeature` does it in its `end`.
 *
 * @example
 * ```ts
 * import { disk, cgi, serve, toFetch } from "@x/pyserve";
 * import { endAllScripts } from "@x/pyserve/handlers";
 *
 * const root = await Deno.makeTempDir();
 * const server = serve(toFetch(cgi(disk(root))), { hostname: "127.0.0.1", port: 0 });
 * await endAllScripts();
 * await server.drain();
 * await Deno.remove(root);
 * ```
 */
export async function endAllScripts(): Promise<void> {
  await Promise.all([...live].map((group) => group.end()));
}

/** The number of running programs. */
export function countScripts(): number {
  return live.size;
}

/** The last resort: child processes survive Deno.exit, and unload listeners cannot wait. */
const killAllAtUnload = once(() => {
  globalThis.addEventListener("unload", () => {
    for (const group of live) group.kill();
  });
});
