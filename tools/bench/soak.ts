/**
 * Ten minutes of mixed load, with system calls through FFI: `deno task bench:soak [MINUTES] [native]`, with `native` for that
 * engine. After each minute the
 * clients leave, and the descriptors and the resident memory of the server are printed. Fails if either has grown by more
 * than a tenth since the first minute, or if a response was not the expected one.
 *
 * Needs Linux and wrk.
 */

import { setTimeout as pause } from "node:timers/promises";
import { wrk } from "./clients.ts";
import { descriptors, onInterrupt, residentBytes, settle, stopAll } from "./processes.ts";
import { PEERS } from "./peers.ts";
import { type Server, Servers } from "./servers.ts";
import { entryName, makeList, makeSite, touch } from "./site.ts";

const MINUTES = 10;
const MINUTE_MS = 60_000;
const GROWTH = 0.1;

/** Duration of a run of wrk: between two runs, its connections are closed. */
const WRK_SECONDS = 3;

/** Time for the server to notice that clients have left, and to free memory. */
const REST_MS = 3_000;

const ENTRIES = 1_000;
const UPLOADS = 100;
const UPLOAD_BYTES = 200_000;

/** Loads by wrk, on four connections each. */
const LOADS: Readonly<Record<string, { path: string; headers?: readonly string[]; fails?: true }>> = {
  hits: { path: "/1k.txt" },
  "large files": { path: "/1m.bin" },
  "404": { path: "/missing.txt", fails: true },
  ranges: { path: "/16m.bin", headers: ["Range: bytes=8000000-8099999"] },
  listings: { path: "/list/" },
};

/** A client: does one thing, and returns the number of requests; throws if a response is wrong. */
type Client = (server: Server, http: Deno.HttpClient, round: number) => Promise<number>;

const CLIENTS: Readonly<Record<string, Client>> = {
  ...Object.fromEntries(Object.entries(LOADS).map(([name, one]) => [name, ({ url }) => load(url, one)])),
  "changed listings": async ({ url, root }, client) => {
    touch(`${root}/list-changed`);
    const page = await body(await fetch(`${url}/list-changed/`, { client }), 200);
    if (!new TextDecoder().decode(page).includes(entryName(ENTRIES - 1))) throw new Error("Entries are missing");
    return 1;
  },
  uploads: async ({ url }, client, round) => {
    const options = { client, method: "PUT", body: new Uint8Array(UPLOAD_BYTES).fill(round) };
    const { status } = await fetch(`${url}/uploads/${round % UPLOADS}.bin?on-conflict=overwrite`, options);
    if (status !== 201 && status !== 204) throw new Error(`Status ${status}`);
    return 1;
  },
  archives: async ({ url }, client, round) => {
    await body(await fetch(`${url}/list/?archive=${round % 2 ? "zip" : "tar.gz"}`, { client }), 200);
    return 1;
  },
  "aborted downloads": async ({ port }) => {
    await abort(port, "GET /16m.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", 100_000);
    return 1;
  },
  "aborted uploads": async ({ port }) => {
    await abort(port, "PUT /uploads/aborted HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n12345", 0);
    return 1;
  },
  "aborted listings": async ({ url, root }, client) => {
    touch(`${root}/list-aborted`);
    const response = await fetch(`${url}/list-aborted/`, { client });
    await response.body?.cancel();
    return 1;
  },
};

async function load(url: string, { path, headers = [], fails }: (typeof LOADS)[string]): Promise<number> {
  const done = await wrk(url + path, { connections: 4, seconds: WRK_SECONDS, headers });
  if (done === null || done.requests === 0) throw new Error("No response");
  const expected = fails ? done.requests : 0;
  if (done.errors !== expected || done.broken > 0) {
    throw new Error(`${done.errors} errors and ${done.broken} broken connections in ${done.requests} requests`);
  }
  return done.requests;
}

async function body(response: Response, status: number): Promise<Uint8Array> {
  const bytes = await response.bytes();
  if (response.status !== status) throw new Error(`Status ${response.status}`);
  return bytes;
}

/** Sends the beginning of a request, reads the beginning of the response, and leaves. */
async function abort(port: number, head: string, bytes: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(head));
  const buffer = new Uint8Array(16_384);
  for (let got = 0; got < bytes;) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("The response ended early");
    got += read;
  }
  await pause(20);
}

/** Number of requests and the problems of each client. */
type Tally = Map<string, { requests: number; problems: string[] }>;

/** All clients at once for some time. */
async function soak(server: Server, milliseconds: number, tally: Tally): Promise<void> {
  const end = performance.now() + milliseconds;
  using http = Deno.createHttpClient({});
  await Promise.all(
    Object.entries(CLIENTS).map(async ([name, client]) => {
      const { requests, problems } = tally.get(name) ?? { requests: 0, problems: [] };
      let count = requests;
      for (let round = 0; performance.now() < end; round++) {
        try {
          count += await client(server, http, round);
        } catch (error) {
          problems.push(error instanceof Error ? error.message : String(error));
          await pause(100);
        }
      }
      tally.set(name, { requests: count, problems });
    }),
  );
}

interface State {
  readonly descriptors: number;
  readonly mebibytes: number;
}

async function stateOf({ child: { pid } }: Server): Promise<State> {
  await pause(REST_MS);
  await settle(pid);
  return { descriptors: descriptors(pid), mebibytes: residentBytes(pid) / 1024 ** 2 };
}

/** Starts the server, and returns whether it passed. */
async function run(minutes: number, name: string, directory: string): Promise<boolean> {
  await makeSite(directory);
  for (const name of ["list", "list-changed", "list-aborted"]) makeList(`${directory}/files/${name}`, ENTRIES);
  await Deno.mkdir(`${directory}/files/uploads`);
  const peer = PEERS.find((peer) => peer.name === name)!;
  const installed = (await peer.find())!;
  const server = await new Servers(directory).fresh({ ...peer, installed }, { root: "files" });
  if (server === null) throw new Error("The server does not start");
  const tally: Tally = new Map();
  const states: State[] = [];
  for (let minute = 1; minute <= minutes; minute++) {
    await soak(server, MINUTE_MS, tally);
    states.push(await stateOf(server));
    const { descriptors, mebibytes } = states.at(-1)!;
    print(`Minute ${minute}: ${descriptors} descriptors, ${mebibytes.toFixed(1)} MiB`);
  }
  for (const [name, { requests, problems }] of tally) {
    print(`${name}: ${requests.toLocaleString("en")} requests, ${problems.length} problems ${problems[0] ?? ""}`);
  }
  const [first, last] = [states[0]!, states.at(-1)!];
  const grown = (["descriptors", "mebibytes"] as const).filter((key) => last[key] > first[key] * (1 + GROWTH));
  if (grown.length > 0) print(`Grown by more than a tenth: ${grown.join(", ")}`);
  return grown.length === 0 && [...tally.values()].every(({ problems }) => problems.length === 0);
}

function print(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}

if (import.meta.main) {
  const minutes = Number(Deno.args[0] ?? MINUTES);
  const directory = await Deno.makeTempDir({ prefix: "pyserve-soak-" });
  onInterrupt();
  try {
    if (!(minutes >= 2)) throw new Error("At least two minutes are needed: the last is compared with the first");
    const name = Deno.args[1] === "native" ? "native-upload" : "pyserve-upload";
    if (!await run(minutes, name, directory)) Deno.exitCode = 1;
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    Deno.exitCode ||= 1;
  } finally {
    await stopAll();
    await Deno.remove(directory, { recursive: true });
    // Signal listeners would keep the process alive.
    Deno.exit();
  }
}
