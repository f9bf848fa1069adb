/**
 * The command: words in, a server that runs until a signal comes, an exit status out.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { main } from "@x/pyserve/cli";
 *
 * const output: string[] = [];
 * const status = await main(["--version"], { out: (text) => output.push(text) });
 * assert(status === 0 && output.join("").startsWith("pyserve "));
 * ```
 *
 * @module
 */

import { colorLogLine, colorStartLine } from "./cli/colors.ts";
import { environmentOfProcess } from "./cli/environment.ts";
import { loadFeatures } from "./cli/features.ts";
import { confinement, listen, reachableUrls, type Serve, startLine } from "./cli/listen.ts";
import { type ByteWriter, LogSink } from "./cli/log_sink.ts";
import { parse } from "./cli/parse.ts";
import { type Settings, settingsOf } from "./cli/settings.ts";
import { SIGNAL_NUMBERS, type StopSignal } from "./cli/signals.ts";
import { StartError } from "./cli/start_error.ts";
import { UsageError } from "./cli/usage_error.ts";
import { workerSeat } from "./cli/worker_seat.ts";
import type { Feature } from "./handlers/feature.ts";
import { toFetch } from "./handlers/fetch.ts";
import { fileServer } from "./handlers/file_server.ts";
import { escapeLog } from "./handlers/http/escape.ts";
import { type RunningServer, serve } from "./handlers/serve.ts";
import type { Handler, Logger } from "./handlers/types.ts";
import config from "./deno.json" with { type: "json" };

/** Milliseconds that running transfers get after SIGTERM. */
const DRAIN_MS = 10_000;

/** Milliseconds that the log gets at the end, where its reader is slow. */
const FLUSH_MS = 1_000;

export type { ByteWriter, StopSignal };

/** What the command touches of the world; each part can be given for a test, the rest is that of the process. */
export interface CommandIo {
  /** Writes to standard output, at once. */
  readonly out?: (text: string) => void;
  /** Standard error, for the log and for what goes wrong. */
  readonly err?: ByteWriter;
  /** Whether standard output and standard error are terminals that want colours. */
  readonly colors?: { readonly out: boolean; readonly err: boolean };
  /** Environment variables: those that begin with `PYSERVE_` are options. */
  readonly env?: Readonly<Record<string, string>>;
  /** Calls back for every signal that is to stop the command; returns what ends that. */
  readonly onSignal?: (callback: (signal: StopSignal) => void) => () => void;
  /** Where this process is one of several that listen on one port (`--workers`): that port. */
  readonly sharedPort?: number | null;
  /** Whether `--workers` may start the main module of this process again, because it does nothing but run the command. */
  readonly startsWorkers?: boolean;
}

/**
 * Runs the command to its end.
 *
 * @param args The words of the command line.
 * @param io What it touches; the process unless given.
 * @returns The exit status: 0 at the end asked for, 1 for what the system refused, 2 for a command line that cannot be
 * used, 129 where the terminal has gone (Linux), 130 or 143 where a second signal cut the drain. It never throws for those,
 * and never calls `Deno.exit`.
 */
export async function main(args: readonly string[], io: CommandIo = {}): Promise<number> {
  const { err, ...world } = { ...processIo, ...io };
  const sink = new LogSink(err);
  try {
    const given = parse(args, world.env);
    if (given.options.version) world.out(`pyserve ${config.version}\n`);
    else if (given.options.help !== null) world.out(await helpFor(given.options.help));
    else return await run([...given.inherited, ...args], settingsOf(given), { ...world, sink });
    return 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    sink.line(`pyserve: ${escapeLog(usage ? `${error.message} (see pyserve --help)` : StartError.sentence(error))}`);
    return usage ? 2 : 1;
  } finally {
    await sink.flush(FLUSH_MS);
  }
}

async function helpFor(topic: string): Promise<string> {
  const { help, topics } = await import("./cli/help.ts");
  const text = help(topic);
  if (text === null) throw new UsageError(`There is no help on "${topic}", only on ${topics()}`);
  return text;
}

/** Runs the command as this process, and ends it; for a main module that does nothing else. */
export async function runAsProcess(): Promise<never> {
  const worker = workerSeat(Deno.args);
  Deno.exit(await (worker ? main(worker.args, worker.io) : main(Deno.args, { startsWorkers: true })));
}

type World = Required<Omit<CommandIo, "err">> & { readonly sink: LogSink };

async function run(args: readonly string[], settings: Settings, world: World): Promise<number> {
  const log = loggerOf(world.sink, world.colors.err);
  // Heard from now on: who sees the start line may send a signal at once.
  using signals = new Signals(world.onSignal);
  const features = await loadFeatures(settings.features, settings.root);
  await using _features = { [Symbol.asyncDispose]: () => endAll(features) };
  await using server = await startServer(args, settings, world, log, features);
  const secure = settings.tls !== null;
  const line = startLine(server.address, secure);
  const urls = reachableUrls(server.address, secure).map((url) => `  ${url}\n`);
  const note = settings.confinedBy.length > 0 ? `  ${confinement(settings.confinedBy)}\n` : "";
  world.out(`${world.colors.out ? colorStartLine(line) : line}\n${urls.join("")}${note}`);
  // A promise that nobody waits for must not take the server, and everybody's downloads, with it.
  const survive = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    log.error("Something failed that nobody was waiting for", event.reason);
  };
  globalThis.addEventListener("unhandledrejection", survive);
  try {
    return await untilStopped(server, world.out, signals);
  } finally {
    globalThis.removeEventListener("unhandledrejection", survive);
  }
}

/** Starts what is to be stopped: a server in this process, or workers. What is only sometimes needed is loaded here. */
async function startServer(
  args: readonly string[],
  settings: Settings,
  { sharedPort, startsWorkers }: World,
  log: Logger,
  features: readonly Feature[],
): Promise<RunningServer & AsyncDisposable> {
  const several = settings.workers > 1 && sharedPort === null ? await import("./cli/workers.ts") : null;
  several?.checkWorkersPossible(startsWorkers);
  const localAddress = () => address && { ...address, name: settings.hostname };
  let address: Deno.NetAddr | null = null;
  const fetch = toFetch(handlerFor(settings, features), {
    log,
    accessLog: settings.server.log ?? false,
    localAddress,
    ...(settings.hosts && { hosts: settings.hosts }),
  });
  const { hostname } = settings;
  const tls = settings.tls && await (await import("./cli/tls.ts")).readTls(settings.tls);
  const port = sharedPort ?? settings.port;
  const transport = settings.classic ? await classic(settings) : serve;
  const own = listen(transport, fetch, { hostname, port, log, reusePort: sharedPort !== null, ...(tls && { tls }) });
  address = own.address;
  if (several === null) return Object.assign(own, { async [Symbol.asyncDispose]() {} });
  // Workers would share the port with anybody: this process has listened by itself, so it is free.
  await own.abort();
  return await several.startWorkers({ args, settings, address: own.address, log });
}

/** Python's way to speak; loaded only here. */
async function classic({ server: { log } }: Settings): Promise<Serve> {
  const { serveClassic } = await import("./handlers/python/transport.ts");
  // What no handler gets to see has a line in the format of Python, or none.
  return (fetch, options) => serveClassic(fetch, { ...options, logRefused: log === "python" });
}

async function endAll(features: readonly Feature[]): Promise<void> {
  await Promise.all(features.map((feature) => feature.end?.()));
}

function handlerFor({ root, server }: Settings, features: readonly Feature[]): Handler {
  try {
    const info = Deno.statSync(root);
    if (info.isFile || info.isDirectory) {
      // Refused now rather than at each request. Windows opens no directory this way, and says so as it would of a secret.
      if (info.isFile || Deno.build.os !== "windows") Deno.openSync(root).close();
      return fileServer(root, { ...server, features });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot serve "${root}": ${StartError.reason(error)}${hintFor(root, error)}`);
  }
  throw new StartError(`Cannot serve "${root}": it is neither a directory nor a file`);
}

/** What a root that is not there may have been meant to be. */
function hintFor(root: string, error: unknown): string {
  if (!(error instanceof Deno.errors.NotFound)) return "";
  if (root.startsWith("~")) {
    return `; "~" is your home directory only where a shell expands it, not in quotes: try "$HOME"`;
  }
  // The runtime hands over the bytes of a name that is not UTF-8 as U+FFFD, which names another file.
  if (root.includes("\uFFFD")) return "; a name that is not UTF-8 cannot be served: rename it";
  if (isHost(root)) return `; to listen on this address, use --bind ${root}`;
  return "";
}

/** Whether it is what only an address looks like: a name may well be that of a directory. */
function isHost(word: string): boolean {
  return word === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(word) || /^[0-9a-f]*:[0-9a-f:]+$/i.test(word);
}

function loggerOf(sink: LogSink, colors: boolean): Logger {
  return {
    access: (line) => sink.line(colors ? colorLogLine(line) : line),
    error(message, cause) {
      const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
      sink.line(`pyserve: ${escapeLog(cause === undefined ? message : `${message}: ${reason}`)}`);
    },
  };
}

/** The signals that come, from the moment it is made. */
class Signals implements Disposable {
  readonly first: Promise<StopSignal>;
  readonly second: Promise<StopSignal>;
  readonly #unsubscribe: () => void;

  constructor(onSignal: World["onSignal"]) {
    const [first, second] = [Promise.withResolvers<StopSignal>(), Promise.withResolvers<StopSignal>()];
    let asked = false;
    this.first = first.promise;
    this.second = second.promise;
    this.#unsubscribe = onSignal((signal) => {
      (asked ? second : first).resolve(signal);
      asked = true;
    });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}

/** Waits for a signal and stops: Ctrl-C and the end of the terminal cut, SIGTERM drains, a second signal cuts after all. Returns the exit status. */
async function untilStopped(server: RunningServer, out: World["out"], signals: Signals): Promise<number> {
  const first = await Promise.race([signals.first, endOf(server)]);
  if (first === "SIGHUP") {
    await server.abort(); // the terminal is gone, and so is who would wait
    return 128 + SIGNAL_NUMBERS.SIGHUP;
  }
  if (first === "SIGINT") {
    out("\nKeyboard interrupt received, exiting.\n");
    await server.abort();
    return 0;
  }
  const impatient = await Promise.race([server.drain(), signals.second, wait(DRAIN_MS)]);
  return impatient ? 128 + SIGNAL_NUMBERS[impatient] : 0;
}

async function endOf(server: RunningServer): Promise<never> {
  const reason = await server.finished.then(() => "it was closed", StartError.reason);
  throw new StartError(`The server has ended by itself: ${reason}`);
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, milliseconds)));
}

/**
 * Whether whoever started this process has it go on at the end of the terminal, as nohup(1) does; null where that cannot be
 * told. The runtime forgets it with the first listener for any signal.
 */
function ignoresHangup(): boolean | null {
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "read" }).state !== "granted") return null;
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    return ignored === undefined ? null : (BigInt(`0x${ignored}`) & 1n) === 1n;
  } catch {
    return null; // the permission to read is not that for all of /proc
  }
}

/** A reader that has gone, as in `pyserve | head -1`, wants no more: that is no failure of the server. */
function printToStdout(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function wantsColors(stream: typeof Deno.stdout): boolean {
  return !Deno.noColor && stream.isTerminal() && !isDumbTerminal();
}

/** Without the permission to look, which is not asked for, a terminal is taken for a good one. */
function isDumbTerminal(): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TERM" });
  return state === "granted" && Deno.env.get("TERM") === "dumb";
}

const processIo: Required<CommandIo> = {
  out: printToStdout,
  err: Deno.stderr,
  get env() {
    return environmentOfProcess();
  },
  colors: { out: wantsColors(Deno.stdout), err: wantsColors(Deno.stderr) },
  onSignal(callback) {
    const ignored = ignoresHangup();
    const signals: readonly StopSignal[] = [
      "SIGINT",
      ...Deno.build.os === "windows" ? [] : ["SIGTERM"] as const,
      ...ignored === null ? [] : ["SIGHUP"] as const,
    ];
    const listeners = signals.map((signal) => {
      return { signal, listener: () => signal === "SIGHUP" && ignored ? undefined : callback(signal) };
    });
    for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
    return () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    };
  },
  sharedPort: null,
  startsWorkers: false,
};

if (import.meta.main) await runAsProcess();
