/**
 * A registry in the shape of JSR on this machine, so that what would be published is what the tests run.
 *
 * It holds the files that the dry run lists for the publishable copy, with their bare imports rewritten as publishing
 * does, and the stand-ins in `links/` under the names of the packages they stand for.
 */

import { createHash } from "node:crypto";
import { fileURLToPath, pathToFileURL } from "node:url";
import { join } from "@std/path/join";
import { dryRun, packageCopy } from "../../tools/dry_run.ts";
import { type Dependency, type Edit, edited, type Module, modulesOf, placeOf } from "../../tools/module_graph.ts";
import { type DenoConfig, importName, readConfig } from "../../tools/package.ts";
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

/** The package as `deno publish` would send it, and what the graph of its exports says before it is sent. */
export interface PublishedPackage extends Package {
  /** The paths of all modules in the package that the exports need, dynamic imports included. */
  readonly needed: readonly string[];
  /** What its modules import, as it is written there and as it is resolved. */
  readonly imported: ReadonlySet<string | undefined>;
}

let published: Promise<PublishedPackage> | undefined;

/** Prepared once: the copy and its dry run take seconds. */
export function publishedPackage(): Promise<PublishedPackage> {
  return published ??= publish();
}

async function publish(): Promise<PublishedPackage> {
  await using copy = await packageCopy();
  const root = pathToFileURL(`${copy.directory}/`);
  const config = await readConfig(root);
  const [paths, graph] = await Promise.all([
    dryRun(copy, { env: { NO_COLOR: "1" } }).output().then((output) => listed(output, root)),
    modulesOf(Object.values(config.exports).map((path) => new URL(path, root))),
  ]);
  const files = await readFiles(root, paths);
  const modules = new Map(graph.map((module) => [pathIn(root, module.specifier), module]));
  for (const [path, content] of files) files.set(path, withoutBareImports(content, modules.get(path), config));
  return {
    ...config,
    files,
    needed: [...modules.keys()].filter((path) => path !== null),
    imported: new Set(graph.flatMap(({ dependencies = [] }) => dependencies.flatMap(specifiersOf))),
  };
}

function specifiersOf({ specifier, code, type }: Dependency): (string | undefined)[] {
  return [specifier, code?.specifier, type?.specifier];
}

/** The paths of the files that a dry run would have published. */
function listed({ success, stdout, stderr }: Deno.CommandOutput, root: URL): string[] {
  const report = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`The dry run of publishing failed: ${report}`);
  return [...report.matchAll(/^\s+(file:\S+) \(/gm)].map(([, url]) => pathIn(root, url!)!);
}

function pathIn(root: URL, url: string): string | null {
  return url.startsWith(root.href) ? decodeURIComponent(url.slice(root.href.length)) : null;
}

async function readFiles(root: URL, paths: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const directory = fileURLToPath(root);
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await Deno.readFile(join(directory, path))] as const)),
  );
}

/** What publishing makes of a module: no import map reaches those who load it. */
function withoutBareImports(
  content: Uint8Array<ArrayBuffer>,
  { dependencies = [] }: Partial<Module> = {},
  config: DenoConfig,
): Uint8Array<ArrayBuffer> {
  const text = new TextDecoder().decode(content);
  const edits = dependencies.flatMap(({ specifier, code, type }): Edit[] => {
    const name = importName(specifier, config);
    if (name === undefined) return [];
    const target = JSON.stringify(config.imports![name] + specifier.slice(name.length));
    return [code, type].filter((each) => each !== undefined).map((each) => ({ ...placeOf(each, text), text: target }));
  });
  return edits.length === 0 ? content : new TextEncoder().encode(edited(text, edits));
}

/** The stand-ins for packages; read from their folder, because a checkout that uses the real ones has no `links`. */
async function linkedPackages(): Promise<Package[]> {
  const links = pathToFileURL(join(ROOT, "links/"));
  const directories = (await Array.fromAsync(Deno.readDir(links))).filter(({ isDirectory }) => isDirectory);
  return await Promise.all(directories.map(async ({ name }) => {
    const directory = new URL(`${name}/`, links);
    const entries = await Array.fromAsync(Deno.readDir(directory));
    const names = entries.filter(({ isFile }) => isFile).map((entry) => entry.name);
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
  return path.endsWith(".json") ? "application/json" : "text/plain";
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
