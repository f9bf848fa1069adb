/**
 * A registry in the shape of JSR on this machine, so that what would be published is what the tests run.
 *
 * It holds the files that `deno publish --dry-run` lists, with their bare imports rewritten as publishing does, and the
 * stand-ins in `links/` under the names of the packages they stand for.
 */

import { cp } from "node:fs/promises";
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { pathToFileURL } from "node:url";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { ROOT } from "./paths.ts";
import { type TempTree, tempTree } from "./tree.ts";

/** A package as the registry has it. */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  /** The files by their path from the root of the package, without a slash in front. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** What `deno info --json` says of a module graph; the part that is read here. */
interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: Resolution;
      readonly type?: Resolution;
    }[];
  }[];
  readonly npmPackages: Readonly<Record<string, { readonly localPath: string }>>;
}

/** Where a specifier stands in its module, quotes included; lines and UTF-16 code units from 0. */
interface Resolution {
  readonly span: { readonly start: Position; readonly end: Position };
}

interface Position {
  readonly line: number;
  readonly character: number;
}

interface DenoConfig {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly links?: readonly string[];
}

let published: Promise<Package> | undefined;

/** The package as `deno publish` would send it. Prepared once: the dry run takes more than a second. */
export function publishedPackage(): Promise<Package> {
  return published ??= publish();
}

async function publish(): Promise<Package> {
  const config = await readConfig(ROOT);
  const graphs = await Promise.all(Object.values(config.exports).map(moduleGraph));
  const modules = new Map(graphs.flatMap((graph) => graph.modules).map((module) => [module.specifier, module]));
  const files = await readFiles(ROOT, await listPublished());
  for (const { specifier, dependencies = [] } of modules.values()) {
    const path = pathInCheckout(specifier);
    const content = path === null ? undefined : files.get(path);
    if (path === null || content === undefined) continue; // a package, or missing: the test of the graph says so
    const resolutions = dependencies.flatMap(({ code, type }) => [code, type]).filter((each) => each !== undefined);
    files.set(path, rewrite(content, resolutions, (bare) => resolveBare(bare, path, config)));
  }
  return { ...config, files };
}

/** The paths that the dry run lists, from the root on. */
async function listPublished(): Promise<string[]> {
  const report = await runDeno("publish", "--dry-run", "--allow-dirty", "--no-lock");
  return [...report.matchAll(/^\s+(file:\S+) \(/gm)].map(([, url]) => pathInCheckout(url!)!);
}

/** The paths in the checkout, from its root on, of all modules that a module needs, dynamic imports included. */
export async function neededFiles(module: string): Promise<string[]> {
  const { modules } = await moduleGraph(module);
  return modules.map(({ specifier }) => pathInCheckout(specifier)).filter((path) => path !== null);
}

const knownGraphs = new Map<string, Promise<ModuleGraph>>();

function moduleGraph(module: string): Promise<ModuleGraph> {
  const graph = knownGraphs.get(module) ?? runDeno("info", "--json", "--no-lock", module).then(JSON.parse);
  knownGraphs.set(module, graph);
  return graph;
}

/** Runs deno in the checkout; gives what it printed, on stderr too, where the dry run lists its files. */
async function runDeno(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdin: "null", env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`deno ${args.join(" ")} failed: ${out}${err}`);
  return args[0] === "publish" ? `${out}${err}` : out!;
}

function pathInCheckout(url: string): string | null {
  const root = pathToFileURL(ROOT).href;
  return url.startsWith(root) ? decodeURIComponent(url.slice(root.length)) : null;
}

async function readConfig(directory: string): Promise<DenoConfig> {
  return JSON.parse(await Deno.readTextFile(join(directory, "deno.json")));
}

async function readFiles(directory: string, paths: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await Deno.readFile(join(directory, path))] as const)),
  );
}

/** Replaces the specifiers that stand at the given places; those that publishing leaves alone are null. */
function rewrite(
  content: Uint8Array<ArrayBuffer>,
  resolutions: readonly Resolution[],
  replace: (specifier: string) => string | null,
): Uint8Array<ArrayBuffer> {
  const lines = new TextDecoder().decode(content).split("\n");
  // From the end of each line to its beginning, so that what stands before a replacement does not move.
  for (const { span } of resolutions.toSorted((a, b) => b.span.start.character - a.span.start.character)) {
    const line = lines[span.start.line]!;
    const quoted = line.slice(span.start.character, span.end.character);
    const specifier = /^(["'])(.*)\1$/.exec(quoted)?.[2];
    if (specifier === undefined) throw new Error(`There is no specifier but ${quoted} in the line ${line}`);
    const replaced = replace(specifier);
    if (replaced === null) continue;
    lines[span.start.line] = line.slice(0, span.start.character) + JSON.stringify(replaced) +
      line.slice(span.end.character);
  }
  return new TextEncoder().encode(lines.join("\n"));
}

/** What publishing makes of a bare specifier in a file of the package, by the import map; null for any other. */
function resolveBare(specifier: string, path: string, { imports = {} }: DenoConfig): string | null {
  if (/^(\.{0,2}\/|[a-z]+:)/.test(specifier)) return null;
  const names = Object.keys(imports).filter((name) => specifier === name || specifier.startsWith(`${name}/`));
  const name = names.reduce((longest, each) => each.length > longest.length ? each : longest, "");
  const target = imports[name];
  if (target === undefined) throw new Error(`The import map has nothing for "${specifier}" in ${path}`);
  if (!target.startsWith("./")) return target + specifier.slice(name.length);
  const relative = posix.relative(posix.dirname(path), target);
  return relative.startsWith(".") ? relative : `./${relative}`;
}

/** The stand-ins for packages that a checkout links to. */
async function linkedPackages(): Promise<Package[]> {
  const { links = [] } = await readConfig(ROOT);
  return await Promise.all(links.map(async (link) => {
    const directory = join(ROOT, link);
    const entries = await Array.fromAsync(Deno.readDir(directory));
    const names = entries.filter(({ isFile }) => isFile).map(({ name }) => name);
    return { ...await readConfig(directory), files: await readFiles(directory, names) };
  }));
}

/** A registry that runs until the end of the block. */
export interface JsrRegistry extends AsyncDisposable {
  /** For JSR_URL. */
  readonly url: string;
}

/** Starts a registry with the package and what it needs from JSR. */
export async function startRegistry(): Promise<JsrRegistry> {
  const packages = [await publishedPackage(), ...await linkedPackages()];
  const answers = new Map(packages.flatMap(answersOf));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const path = decodeURIComponent(new URL(url).pathname);
    const body = answers.get(path);
    if (body === undefined) return new Response(null, { status: 404 });
    return new Response(body, { headers: { "content-type": contentType(path) } });
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, [Symbol.asyncDispose]: () => server.shutdown() };
}

function answersOf(
  { name, version, exports, files }: Package,
): [path: string, body: string | Uint8Array<ArrayBuffer>][] {
  const [scope, bareName] = name.slice(1).split("/");
  const meta = { scope, name: bareName, latest: version, versions: { [version]: {} } };
  const manifest = Object.fromEntries([...files].map(([path, body]) => [`/${path}`, manifestEntry(body)]));
  return [
    [`/${name}/meta.json`, JSON.stringify(meta)],
    [`/${name}/${version}_meta.json`, JSON.stringify({ manifest, exports })],
    ...[...files].map(([path, body]): [string, Uint8Array<ArrayBuffer>] => [`/${name}/${version}/${path}`, body]),
  ];
}

function manifestEntry(body: Uint8Array): { size: number; checksum: string } {
  return { size: body.length, checksum: `sha256-${createHash("sha256").update(body).digest("hex")}` };
}

function contentType(path: string): string {
  if (path.endsWith(".ts")) return "text/typescript";
  return path.endsWith(".json") ? "application/json" : path.endsWith(".css") ? "text/css" : "text/plain";
}

/** A machine on which deno is installed and nothing else: no cache, an empty home, and the local registry for JSR. */
export interface FreshMachine extends AsyncDisposable {
  readonly registry: JsrRegistry;
  /** The temporary directory with all of it. */
  readonly tree: TempTree;
  /** What to add to the environment of a process that is to run on it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Sets up a fresh machine with some files on it. */
export async function freshMachine(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<FreshMachine> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry());
  const tree = stack.use(await tempTree({ "home/": "", "cache/": "", ...files }));
  await copyNpmPackages(tree.at("cache"));
  const owned = stack.move();
  return {
    registry,
    tree,
    env: {
      DENO_DIR: tree.at("cache"),
      DENO_NO_UPDATE_CHECK: "1",
      HOME: tree.at("home"),
      JSR_URL: registry.url,
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** npm is not what is tested here: its packages come from the cache of whoever runs the tests, where they are in it. */
async function copyNpmPackages(cache: string): Promise<void> {
  const { npmPackages } = await moduleGraph("./mod.ts");
  const { denoDir } = JSON.parse(await runDeno("info", "--json"));
  for (const { localPath } of Object.values(npmPackages)) {
    const directory = dirname(localPath); // of all versions, with what the registry says of them
    if (!directory.startsWith(denoDir)) continue;
    await cp(directory, join(cache, directory.slice(denoDir.length)), { recursive: true });
  }
}
