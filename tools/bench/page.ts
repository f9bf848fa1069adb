/**
 * Benchmarks user tasks: a folder of 100,000 entries in Chromium, upload and download of a 4 GiB file, and a folder of
 * 50,000 files as an archive, interleaved with other servers and programs: `deno task bench:page`.
 *
 * Options: `--only NAME,...`, `--rounds N`. A run without options writes RESULTS-PAGE.md; any other only prints.
 *
 * Needs Linux, Chromium, curl, zip, unzip and tar; nginx and Caddy take part if they are installed. The large file and
 * its copies are in memory, in /dev/shm: 8 GiB, or a smaller file if there is less space.
 */

import { setTimeout as pause } from "node:timers/promises";
import { type Browser, launch, type Page } from "../../tests/support/browser.ts";
import type { Metric } from "./cases.ts";
import type { Sample } from "./measure.ts";
import { PEERS } from "./peers.ts";
import { busySeconds, forgetPeak, onInterrupt, peakBytes, residentBytes, run, stop, stopAll } from "./processes.ts";
import { caseTable, machine, peerTable } from "./report.ts";
import { type Contestant, type Server, Servers } from "./servers.ts";
import { entryName, type Root } from "./site.ts";
import { percentile } from "./statistics.ts";

/** A measurement of each contestant, once a round. */
interface Trial {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  readonly metrics: readonly Metric[];
  readonly contestants: readonly string[];
  /** Maximum number of rounds for slow or stable measurements. */
  readonly most?: number;
  readonly measure: (name: string) => Promise<Sample | null>;
}

/** The locations of the files. */
interface Site {
  readonly small: Servers;
  readonly smallDirectory: string;
  readonly large: Servers;
  readonly largeDirectory: string;
  readonly peers: ReadonlyMap<string, Contestant>;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const ENTRIES = 100_000;
const FILES = 50_000;
const FOLDERS = 50;
const MEMORY_DISK = "/dev/shm";
const IDLE_MS = 2_000;
const ROUNDS = 3;

const SERVERS = ["pyserve", "nginx", "caddy"];
const OTHER: readonly Metric[] = [
  { key: "p50", title: "other client's p50, ms" },
  { key: "p99", title: "p99, ms" },
  { key: "max", title: "max, ms" },
];
const GROWTH: Metric = { key: "growth", title: "server memory: peak growth, MiB" };
const TRANSFER: readonly Metric[] = [{ key: "rate", title: "MB/s" }, GROWTH, ...OTHER];
const ARCHIVE: readonly Metric[] = [
  { key: "rate", title: "MB/s" },
  { key: "first", title: "first byte, ms" },
  { key: "seconds", title: "whole, s" },
  GROWTH,
  ...OTHER,
];

function trials(site: Site, browser: Browser, size: number): readonly Trial[] {
  const archives = (["zip", "tar"] as const).map((format) => archiveTrial(site, format));
  return [...pageTrials(site, browser), ...transferTrials(site, size), ...archives];
}

function pageTrials(site: Site, browser: Browser): readonly Trial[] {
  const list = entriesOf("list");
  return [
    {
      name: "idle",
      title: "The second client alone",
      note:
        "It requests 1 KiB every 5 ms here and below, without waiting for responses: a stall counts for every request " +
        "that it delays. The figures here are those of the machine.",
      metrics: OTHER,
      contestants: SERVERS,
      most: 1,
      measure: (name) => withServer(site, name, "small", ({ url }) => beside(url, () => pause(IDLE_MS))),
    },
    {
      name: "browser",
      title: `${ENTRIES.toLocaleString("en")} entries in Chromium`,
      note:
        "With a new browser context and a new server process. A row counts when a frame with it has been painted; the " +
        "page when everything sent by the server has been. pyserve sorts in the page; Caddy reloads the page in another " +
        "order (and lists no more than 10,000 in this version); nginx cannot sort. Chromium shares the cores with the " +
        "second client: the next table is without a browser.",
      metrics: [
        { key: "first", title: "first row, ms" },
        { key: "loaded", title: "complete, ms" },
        { key: "sorted", title: "then sorted by size, ms" },
        { key: "rows", title: "rows" },
        GROWTH,
        ...OTHER,
      ],
      contestants: SERVERS,
      measure: (name) => withServer(site, name, "small", (server) => measureBrowser(browser, server, list)),
    },
    {
      name: "list",
      title: `The same page by curl`,
      note: "The server's own time, and its effect on other clients. With a new process, too.",
      metrics: [{ key: "first", title: "first byte, ms" }, { key: "whole", title: "whole page, ms" }, GROWTH, ...OTHER],
      contestants: SERVERS,
      measure: (name) =>
        withServer(site, name, "small", ({ url, child }) => measureGet(`${url}/list/`, url, child.pid)),
    },
  ];
}

function transferTrials(site: Site, size: number): readonly Trial[] {
  return [
    {
      name: "upload",
      title: `${(size / GIB).toFixed(0)} GiB up: \`curl -T\``,
      note:
        "To a disk in memory, where `fsync` costs nothing; every byte compared afterwards. With `Repr-Digest` the server " +
        "computes the SHA-256 during the upload and compares it before the file appears.",
      metrics: TRANSFER,
      contestants: ["pyserve", "pyserve, with Repr-Digest"],
      most: 2,
      measure: (name) => {
        const isChecked = name.includes("Digest");
        return withServer(site, "pyserve-upload", "large", (server) => measureUpload(site, server, size, isChecked));
      },
    },
    {
      name: "download",
      title: `${(size / GIB).toFixed(0)} GiB down: \`curl -o\``,
      note: "To the same disk in memory; every byte compared afterwards.",
      metrics: TRANSFER,
      contestants: SERVERS,
      most: 2,
      measure: (name) => withServer(site, name, "large", (server) => measureDownload(site, server, size)),
    },
  ];
}

function archiveTrial(site: Site, format: "zip" | "tar"): Trial {
  const program = format === "zip" ? "`zip -0 -r -`" : "`tar c`";
  const checked = format === "zip"
    ? "each archive is checked by `unzip -t`, and its names counted"
    : "each archive is compared with the files by `tar --compare`, and its names counted";
  return {
    name: format,
    title: `${FILES.toLocaleString("en")} files of 4 KiB as ${format}`,
    note: `With a new process; ${checked}. Compared with the program, piped to a file.`,
    metrics: ARCHIVE,
    contestants: ["pyserve", program],
    measure: (name) =>
      name === program
        ? measureProgram(site, format)
        : withServer(site, name, "small", (server) => measureArchive(site, server, format)),
  };
}

/** Runs a measurement on a new server process; null if the server is not installed. */
async function withServer(
  { peers, small, large }: Site,
  name: string,
  where: "small" | "large",
  use: (server: Server) => Promise<Sample | null>,
): Promise<Sample | null> {
  const peer = peers.get(name);
  if (peer === undefined) return null;
  const root: Root = where === "small" ? "lists" : "files";
  const server = await (where === "small" ? small : large).fresh(peer, { root });
  if (server === null) throw new Error(`${name} does not start`);
  try {
    return await use(server);
  } finally {
    await stop(server.child);
  }
}

/** Does work while another client sends requests; returns that client's latencies in milliseconds. */
async function beside(url: string, work: () => Promise<unknown>): Promise<Sample> {
  const worker = new Worker(new URL("./prober.ts", import.meta.url), { type: "module" });
  const next = () => new Promise<number[]>((resolve) => worker.onmessage = ({ data }) => resolve(data));
  try {
    const ready = next();
    worker.postMessage(`${url}/1k.txt`);
    await ready;
    const delays = next();
    await work();
    worker.postMessage(null);
    const latencies = await delays;
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), max: percentile(latencies, 1) };
  } finally {
    worker.terminate();
  }
}

/** The same, with the growth of a server's memory. */
async function watched(url: string, pid: number, work: () => Promise<unknown>): Promise<Sample> {
  const before = residentBytes(pid);
  forgetPeak(pid);
  const waited = await beside(url, work);
  return { ...waited, growth: Math.max(0, peakBytes(pid) - before) / MIB };
}

/** Records when the first row and all rows have been painted. Runs in the page before it loads. */
const WATCH = `{
  const seen = { first: null, loaded: null };
  let resolve;
  globalThis.seen = new Promise((settle) => resolve = settle);
  const isLoaded = () => {
    const footer = document.querySelector("body > footer")?.textContent ?? "";
    const scripted = document.documentElement?.dataset.can !== undefined;
    return document.readyState === "complete" && (!scripted || footer.includes("as data"));
  };
  const painted = (key, then) => requestAnimationFrame(() => setTimeout(() => {
    seen[key] ??= performance.now();
    then?.(seen);
  }));
  const look = () => {
    if (!seen.first && document.querySelector('a[href*="f0"]')) painted("first");
    if (isLoaded()) return painted("loaded", resolve);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}`;

/** Sorts pyserve's page as a user does: by a click. */
const SORT = `new Promise((resolve) => {
  const begin = performance.now();
  document.querySelector("th.size button").click();
  const done = () => resolve({ time: performance.now() - begin, top: document.querySelector("tbody .name bdi").textContent });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})`;

/** Number of rows in the page, or the total that a virtualized table announces. */
const COUNT = `Math.max(document.querySelectorAll('a[href*="f0"], a[href*="f1"]').length,
  Number(document.querySelector("table")?.getAttribute("aria-rowcount") ?? 0) - 1)`;

async function measureBrowser(browser: Browser, server: Server, list: readonly Entry[]): Promise<Sample> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    await page.addInitScript(WATCH);
    const found: Record<string, number> = {};
    const waited = await watched(server.url, server.child.pid, async () => {
      Object.assign(found, await load(page, `${server.url}/list/`));
      found.rows = await page.evaluate(COUNT);
      const sorted = await sortBySize(page, server, list);
      if (sorted !== null) found.sorted = sorted;
    });
    return { ...found, ...waited };
  } finally {
    await context.close();
  }
}

async function load(page: Page, url: string): Promise<{ first: number; loaded: number }> {
  await page.goto(url, { waitUntil: "commit" });
  return await page.evaluate("globalThis.seen");
}

async function sortBySize(page: Page, { peer, url }: Server, list: readonly Entry[]): Promise<number | null> {
  if (peer.name === "nginx") return null;
  if (peer.name === "caddy") return (await load(page, `${url}/list/?sort=size&order=desc`)).loaded;
  const { time, top } = await page.evaluate<{ time: number; top: string }>(SORT);
  const largest = list.toSorted((a, b) => b.size - a.size)[0]!;
  if (top !== largest.name) throw new Error(`Not sorted: ${top} is first`);
  return time;
}

async function measureGet(url: string, base: string, pid: number, file = "/dev/null"): Promise<Sample> {
  let printed = "";
  const waited = await watched(base, pid, async () => {
    printed = await must(["curl", "-sS", "-f", "-o", file, "-w", "%{time_starttransfer} %{time_total}", url]);
  });
  const [first, whole] = printed.split(" ").map((seconds) => Number(seconds) * 1e3);
  return { first: first!, whole: whole!, ...waited };
}

async function measureUpload(
  { largeDirectory }: Site,
  server: Server,
  size: number,
  isChecked: boolean,
): Promise<Sample> {
  const [source, stored] = [`${largeDirectory}/files/large.bin`, `${largeDirectory}/files/up.bin`];
  const header = isChecked ? ["-H", `Repr-Digest: sha-256=:${await digestOf(source)}:`] : [];
  let printed = "";
  try {
    const waited = await watched(server.url, server.child.pid, async () => {
      const format = "%{http_code} %{time_total}";
      const url = `${server.url}/up.bin`;
      printed = await must(["curl", "-sS", "-f", "-o", "/dev/null", "-w", format, ...header, "-T", source, url]);
    });
    const [status, seconds] = printed.split(" ").map(Number);
    if (status !== 201) throw new Error(`The response to the upload was ${status}`);
    await must(["cmp", source, stored]);
    return { rate: size / 1e6 / seconds!, ...waited };
  } finally {
    await Deno.remove(stored).catch(() => {});
  }
}

async function measureDownload({ largeDirectory }: Site, server: Server, size: number): Promise<Sample> {
  const file = `${largeDirectory}/down.bin`;
  try {
    const got = await measureGet(`${server.url}/large.bin`, server.url, server.child.pid, file);
    await must(["cmp", `${largeDirectory}/files/large.bin`, file]);
    return { rate: size / 1e3 / got.whole!, ...got };
  } finally {
    await Deno.remove(file).catch(() => {});
  }
}

async function measureArchive({ smallDirectory }: Site, server: Server, format: "zip" | "tar"): Promise<Sample> {
  const file = `${smallDirectory}/archive.${format}`;
  const got = await measureGet(`${server.url}/tree/?archive=${format}`, server.url, server.child.pid, file);
  await check(file, `${smallDirectory}/lists`, format);
  return { rate: (await Deno.stat(file)).size / 1e3 / got.whole!, seconds: got.whole! / 1e3, ...got };
}

async function measureProgram({ smallDirectory }: Site, format: "zip" | "tar"): Promise<Sample> {
  const file = `${smallDirectory}/archive.${format}`;
  const program = format === "zip" ? "zip -0 -q -r - tree" : "tar c tree";
  const begin = performance.now();
  await must(["sh", "-c", `cd "$1" && ${program} | cat >"$2"`, "sh", `${smallDirectory}/lists`, file]);
  const seconds = (performance.now() - begin) / 1e3;
  await check(file, `${smallDirectory}/lists`, format);
  return { rate: (await Deno.stat(file)).size / 1e6 / seconds, seconds };
}

/** Fails if an archive is incomplete; a tar file is also compared with the original files. */
async function check(file: string, directory: string, format: "zip" | "tar"): Promise<void> {
  const isZip = format === "zip";
  await must(isZip ? ["unzip", "-tqq", file] : ["tar", "--compare", "-f", file, "-C", directory]);
  const names = (await must(isZip ? ["unzip", "-Z1", file] : ["tar", "-tf", file])).trim().split("\n");
  const files = names.filter((name) => !name.endsWith("/")).length;
  if (files !== FILES) throw new Error(`The archive has ${files} files`);
}

async function must(command: readonly string[]): Promise<string> {
  const printed = await run(command, 300);
  if (printed === null) throw new Error(`This has failed: ${command.join(" ")}`);
  return printed;
}

async function digestOf(file: string): Promise<string> {
  return (await must(["sh", "-c", `openssl dgst -sha256 -binary "$1" | base64`, "sh", file])).trim();
}

interface Entry {
  readonly name: string;
  readonly size: number;
}

/** The files of a folder; their order by size differs from that by name. */
function entriesOf(kind: "list" | "tree"): Entry[] {
  const count = kind === "list" ? ENTRIES : FILES;
  const size = (index: number) => kind === "list" ? (index * 7919) % 100_003 : 4096;
  return Array.from({ length: count }, (_, index) => ({ name: entryName(index), size: size(index) }));
}

async function makeSite(peers: Site["peers"]): Promise<Site> {
  const [smallDirectory, largeDirectory] = [await newDirectory("/tmp"), await newDirectory(MEMORY_DISK)];
  for (const path of [`${smallDirectory}/lists/list`, `${smallDirectory}/lists/tree`, `${largeDirectory}/files`]) {
    await Deno.mkdir(path, { recursive: true });
  }
  for (const path of [`${smallDirectory}/lists`, `${largeDirectory}/files`]) {
    await Deno.writeFile(`${path}/1k.txt`, new Uint8Array(1024).fill(97));
  }
  for (const { name, size } of entriesOf("list")) {
    using file = Deno.createSync(`${smallDirectory}/lists/list/${name}`);
    file.truncateSync(size);
  }
  for (let folder = 0; folder < FOLDERS; folder++) Deno.mkdirSync(`${smallDirectory}/lists/tree/${folder}`);
  for (const [index, { name, size }] of entriesOf("tree").entries()) {
    const bytes = crypto.getRandomValues(new Uint8Array(size));
    Deno.writeFileSync(`${smallDirectory}/lists/tree/${index % FOLDERS}/${name}`, bytes);
  }
  const [small, large] = [new Servers(smallDirectory), new Servers(largeDirectory)];
  return { small, smallDirectory, large, largeDirectory, peers };
}

/** A directory readable by a server that has dropped its privileges. */
async function newDirectory(dir: string): Promise<string> {
  const path = await Deno.makeTempDir({ dir, prefix: "pyserve-bench-" });
  await Deno.chmod(path, 0o755);
  return path;
}

/** Creates the large file of 4 GiB, or less if there is no space for it and its copy; returns its size. */
async function makeLarge(directory: string): Promise<number> {
  const room = Number((await must(["df", "--output=avail", "-B1", directory])).split("\n")[1]);
  const size = Math.min(4, Math.floor(Math.min(room, Deno.systemMemoryInfo().available) / GIB / 2.5)) * GIB;
  if (size < GIB) throw new Error(`Not enough space for a large file in ${directory}`);
  await must(["sh", "-c", `head -c "$1" /dev/urandom >"$2"`, "sh", String(size), `${directory}/files/large.bin`]);
  return size;
}

/** The rounds of a trial: every contestant once in each, in an order rotated from round to round. */
async function runTrial({ contestants, measure, most = Infinity }: Trial, wanted: number) {
  const rounds = Math.min(wanted, most);
  const samples = new Map(contestants.map((name) => [name, [] as (Sample | null)[]]));
  for (let round = 0; round < rounds; round++) {
    const turn = round % contestants.length;
    for (const name of [...contestants.slice(turn), ...contestants.slice(0, turn)]) {
      samples.get(name)!.push(await measure(name));
    }
  }
  return samples;
}

async function findPeers() {
  const wanted = PEERS.filter(({ name }) => [...SERVERS, "pyserve-upload"].includes(name));
  const found = await Promise.all(wanted.map(async (peer) => ({ ...peer, installed: await peer.find() })));
  const contestants = found.filter((peer): peer is Contestant => peer.installed !== null);
  const versions = found.map((peer) => [peer, peer.installed?.version ?? null] as const);
  return { peers: new Map(contestants.map((peer) => [peer.name, peer])), versions };
}

function option(name: string): string | null {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? null : Deno.args[at + 1] ?? "";
}

function print(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}

async function main(): Promise<void> {
  const only = option("only")?.split(",");
  const rounds = Number(option("rounds") ?? ROUNDS);
  const { peers, versions } = await findPeers();
  onInterrupt();
  const site = await makeSite(peers);
  await using browser = await launch();
  try {
    const size = await makeLarge(site.largeDirectory);
    const sections: string[] = [];
    const begin = performance.now();
    const busy = busySeconds();
    for (const trial of trials(site, browser, size).filter(({ name }) => only?.includes(name) ?? true)) {
      const table = caseTable(trial, await runTrial(trial, rounds));
      const section = [`## ${trial.title}`, "", trial.note, "", ...table, ""].join("\n");
      sections.push(section);
      print(section);
    }
    const seconds = (performance.now() - begin) / 1000;
    const text = [
      "# Results: the page",
      "",
      `Written by \`deno task bench:page\`: do not edit. ${rounds} rounds (2 for the large file, 1 for the second client alone), the order rotated each round; ` +
      `${(seconds / 60).toFixed(1)} minutes in all, on ${new Date().toISOString().slice(0, 10)}. ${machine()}. ` +
      `${((busySeconds() - busy) / seconds).toFixed(1)} cores were busy on average, including other work: ` +
      "client, server, browser and the second client share them. Three figures are minimum / **median** / maximum " +
      "of the rounds, one is the median. `it ÷ pyserve` is the median of the ratios within a round. Memory is the growth of the peak resident memory.",
      "",
      ...peerTable({ peers: versions }),
      "",
      ...sections,
    ].join("\n");
    if (Deno.args.length === 0) {
      const url = new URL("./RESULTS-PAGE.md", import.meta.url);
      await Deno.writeTextFile(url, text);
      await run([Deno.execPath(), "fmt", "--quiet", decodeURIComponent(url.pathname)]);
    }
  } finally {
    await stopAll();
    for (const path of [site.smallDirectory, site.largeDirectory]) await Deno.remove(path, { recursive: true });
  }
}

try {
  await main();
} catch (error) {
  print(error instanceof Error ? error.message : String(error));
  Deno.exitCode ||= 1;
} finally {
  // Signal listeners would keep the process alive.
  Deno.exit();
}
