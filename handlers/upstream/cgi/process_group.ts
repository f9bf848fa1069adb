/**
 * Programs in process groups of their own, so that whatever a program starts ends with it.
 *
 * On Linux setsid(1) goes in front, where it is there: Deno's `detached` makes the runtime fork, which copies the page
 * tables of the whole server with the event loop standing still (434 starts a second instead of 1,150, and 72 with 300 MiB
 * in use), while a plain start is a posix_spawn. setsid then becomes the program: same process id, new session, new group.
 *
 * Signalling a group needs `--allow-run` without a list. With a list, `detached` is taken and only the program itself is
 * signalled, not what it has started.
 *
 * @module
 */

/** A user of the system, by number. */
export interface SystemUser {
  /** The user. */
  readonly uid: number;
  /** The group; there are no others. */
  readonly gid: number;
}

/** A program and what it is started with. */
export interface ProgramLaunch {
  /** Path of the program: absolute, so that it is looked for nowhere. */
  readonly command: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** The directory it is started in. */
  readonly cwd: string;
  /** Its whole environment: nothing of the server's is added. */
  readonly env: Readonly<Record<string, string>>;
  /** As whom it runs; by default as whom the server runs. Only root can give another, and never on Windows. */
  readonly user?: SystemUser | null;
}

/** What puts a program into a group of its own: a program in front of it, or the runtime. */
export type Style = "setsid" | "detached";

/** Milliseconds between TERM and KILL. */
const KILL_AFTER_MS = 1_000;
/** The system does not notify when the last process of a group ends, so it is polled. */
const LOOK_EVERY_MS = 20;

const live = new Set<ProcessGroup>();

/**
 * Starts a program, its outputs piped.
 *
 * @param stdin `"null"` for none: a program that reads it sees its end at once.
 * @throws What the system says. With setsid in front it says only that setsid cannot be started: what keeps the program
 *   from starting, setsid tells on stderr, and exits with 126 or 127.
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

/** How a program is best started here and now. */
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
    return false; // not there, or no business of this process
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** A program that runs, and what it has started. */
export class ProcessGroup {
  /** The program itself. */
  readonly child: Deno.ChildProcess;
  /** Resolves when the program itself has ended. */
  readonly exited: Promise<Deno.CommandStatus>;
  #hasExited = false;
  #ending: Promise<void> | null = null;

  /** Takes charge of a child that leads a group. */
  constructor(child: Deno.ChildProcess) {
    this.child = child;
    this.exited = child.status.then((status) => this.#onExit(status));
    live.add(this);
    killAllAtUnload();
  }

  /** Sends TERM to the group, and KILL to what is left after a second. Resolves when the group is empty. */
  end(): Promise<void> {
    return this.#ending ??= this.#end();
  }

  /** Resolves when the program has ended and, if it was made to, all of the group with it. */
  get ended(): Promise<void> {
    return this.#ending ?? this.exited.then(() => {});
  }

  /** Sends KILL to all of the group, at once. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  #onExit(status: Deno.CommandStatus): Deno.CommandStatus {
    this.#hasExited = true;
    // Its number may soon be another's. What a program leaves behind when it ends by itself is left alone.
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
    // Signal 0 asks only; the type leaves it out.
    return mayRunAnything() && Deno.build.os !== "windows" && signalGroup(this.child.pid, 0 as unknown as Deno.Signal);
  }

  /** Returns whether there was anybody to get it. */
  #signal(signal: Deno.Signal): boolean {
    if (Deno.build.os === "windows") endTree(this.child.pid);
    else if (mayRunAnything() && signalGroup(this.child.pid, signal)) return true;
    // No group to signal: not allowed to, or setsid has not made it yet.
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
    return false; // it has ended
  }
}

/** Windows has no groups, but keeps who started whom. */
function endTree(pid: number): void {
  try {
    const args = ["/T", "/F", "/PID", String(pid)];
    new Deno.Command("taskkill", { args, stdin: "null", stdout: "null", stderr: "null" }).spawn().unref();
  } catch {
    // Not allowed: the program itself is ended all the same.
  }
}

/**
 * Ends every program that runs and all it has started: TERM, and KILL after a second. For the end of a server; what is
 * started meanwhile is not included.
 */
export async function endAllScripts(): Promise<void> {
  await Promise.all([...live].map((group) => group.end()));
}

/** How many programs run. */
export function countScripts(): number {
  return live.size;
}

/** The last resort: children outlive Deno.exit, and a listener for unload cannot wait. */
const killAllAtUnload = once(() => {
  globalThis.addEventListener("unload", () => {
    for (const group of live) group.kill();
  });
});
