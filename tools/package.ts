/**
 * Writes the publishable copy to an empty or new directory: `deno task package DIRECTORY`.
 *
 * The checkout itself is not published. Its `links` are for work without JSR, and its page consists of real HTML, CSS
 * and JavaScript files, imported as text, which JSR's server-side analysis may reject (jsr-io/jsr#1478). In the copy,
 * each such file is replaced with a module that exports the text, and the configuration is reduced to what matters to
 * users of the package. Files that no export depends on are left out, so no exclusion list is needed.
 *
 * The command is bundled, in a third as many files: from its sources, it takes 14 ms of CPU time more to start. They give
 * it its types and documentation. `deno bundle` downloads its tool from npm the first time.
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { type Dependency, type Edit, edited, type Module, modulesOf, placeOf } from "./module_graph.ts";

/** Files published besides modules, if they exist. */
const PROSE = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"];

/** Published keys of deno.json; `imports` is reduced to those used. */
const PUBLISHED_KEYS = ["name", "version", "license", "exports", "imports", "compilerOptions"];

/** The export that is bundled, and where. */
const COMMAND = "./cli";
const BUNDLE = "command";
const ENTRY_OF_BUNDLE = "cli.js";

/** The checkout that contains this file. */
export const CHECKOUT: URL = new URL("../", import.meta.url);

/** The configuration of a checkout; only the fields used here. */
export interface DenoConfig {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly links?: readonly string[];
}

/** Reads the deno.json of a directory; its URL ends with a slash. */
export async function readConfig(directory: URL): Promise<DenoConfig> {
  return JSON.parse(await Deno.readTextFile(new URL("deno.json", directory)));
}

/** Writes the publishable copy of a checkout. */
export async function writePackage(directory: string, checkout: URL = CHECKOUT): Promise<void> {
  await makeEmpty(directory);
  for (const [path, content] of await publishableFiles(checkout)) {
    await Deno.mkdir(dirname(join(directory, path)), { recursive: true });
    await Deno.writeFile(join(directory, path), content);
  }
  await bundleCommand(directory, checkout);
}

async function bundleCommand(directory: string, checkout: URL): Promise<void> {
  const entry = (await readConfig(checkout)).exports[COMMAND];
  if (entry === undefined) return;
  const bundle = join(directory, BUNDLE);
  const args = ["bundle", "--quiet", "--no-lock", "--platform", "deno", "--code-splitting", "--outdir", bundle, entry];
  const command = new Deno.Command(Deno.execPath(), { args, cwd: checkout, stdin: "null", env: { NO_COLOR: "1" } });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`Cannot bundle the command: ${new TextDecoder().decode(stderr)}`);
  const names = (await Array.fromAsync(Deno.readDir(bundle))).map(({ name }) => name);
  for (const name of names) {
    const path = join(bundle, name);
    const code = await Deno.readTextFile(path);
    const types = name === ENTRY_OF_BUNDLE ? `/* @ts-self-types="../${entry.slice(2)}" */\n` : "";
    await Deno.writeTextFile(path, types + withBundledWorkers(code, names));
  }
}

/** Bundling gives the modules of workers new names, but does not replace them in URLs. */
function withBundledWorkers(code: string, names: readonly string[]): string {
  return code.replace(/(?<=\bnew URL\("\.\/)(\w+)\.ts(?=", import\.meta\.url\))/g, (_, module) => {
    const bundled = names.filter((name) => name.startsWith(`${module}-`));
    if (bundled.length !== 1) throw new Error(`Cannot find the module "${module}" in the bundle`);
    return bundled[0]!;
  });
}

async function makeEmpty(directory: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  for await (const _ of Deno.readDir(directory)) {
    throw new Error(`Cannot write the package to "${directory}": the directory is not empty`);
  }
}

/** The files of the copy by relative path. */
async function publishableFiles(checkout: URL): Promise<Map<string, Uint8Array>> {
  const config = await readConfig(checkout);
  const entries = Object.values(config.exports).map((path) => new URL(path, checkout));
  const modules = (await modulesOf(entries)).filter(({ specifier }) => isPublished(specifier, checkout, config));
  const all = modules.flatMap(({ dependencies = [] }) => dependencies);
  const texts = new Set(all.filter(isText).map(urlOf));
  // The page's encoder of QR codes is both sent as a text and run by the command.
  const run = new Set(all.filter((each) => !isText(each)).map(({ code }) => code?.specifier));
  const files = new Map(await readProse(checkout));
  for (const module of modules) {
    const { specifier } = module;
    const source = await Deno.readFile(new URL(specifier));
    if (texts.has(specifier)) files.set(pathIn(checkout, `${specifier}.ts`), textModule(specifier, source));
    if (!texts.has(specifier) || run.has(specifier)) {
      files.set(pathIn(checkout, specifier), withoutTextImports(module, source));
    }
  }
  // Last, because it is in the module graph too: the command reads its version there.
  return files.set("deno.json", encode(`${JSON.stringify(publishedConfig(config, modules), null, 2)}\n`));
}

/** The stand-ins are excluded: users of the JSR package get the real ones. */
function isPublished(specifier: string, checkout: URL, { links = [] }: DenoConfig): boolean {
  const elsewhere = links.map((link) => new URL(`${link}/`, checkout).href);
  return specifier.startsWith(checkout.href) && !elsewhere.some((directory) => specifier.startsWith(directory));
}

function pathIn(checkout: URL, specifier: string): string {
  return decodeURIComponent(specifier.slice(checkout.href.length));
}

async function readProse(checkout: URL): Promise<[path: string, content: Uint8Array][]> {
  const names = (await Array.fromAsync(Deno.readDir(checkout))).map(({ name }) => name);
  const prose = PROSE.filter((name) => names.includes(name));
  return await Promise.all(prose.map(async (name) => [name, await Deno.readFile(new URL(name, checkout))] as const));
}

function isText({ assertionType }: Dependency): boolean {
  return assertionType === "text";
}

function urlOf({ specifier, code }: Dependency): string {
  if (code?.specifier === undefined) throw new Error(`Nothing is known of the text import of "${specifier}"`);
  return code.specifier;
}

/** A module whose default export is a text, explicitly typed as JSR requires for exports. */
function textModule(specifier: string, text: Uint8Array): Uint8Array {
  const name = decodeURIComponent(specifier.slice(specifier.lastIndexOf("/") + 1));
  return encode(`/** The text of ${name}, written by tools/package.ts. */
const text: string = ${JSON.stringify(new TextDecoder().decode(text))};
export default text;
`);
}

const TYPE_TEXT = String.raw`\{\s*type\s*:\s*["']text["']\s*,?\s*\}`;

/** The rest of `import x from "y" with { type: "text" }` and of `import("y", { with: { type: "text" } })` after "y". */
const ATTRIBUTES = String.raw`\s*(?:with\s*${TYPE_TEXT}|,\s*\{\s*with\s*:\s*${TYPE_TEXT}\s*,?\s*\})`;

/** Rewrites text imports to imports of the modules with the texts. */
function withoutTextImports({ specifier, dependencies = [] }: Module, source: Uint8Array): Uint8Array {
  if (dependencies.length === 0) return source;
  const code = new TextDecoder().decode(source);
  const result = edited(code, dependencies.filter(isText).map((each) => moduleImport(each, code, specifier)));
  refuseTextImports(result, dependencies, specifier);
  return encode(result);
}

function moduleImport({ specifier, code }: Dependency, source: string, module: string): Edit {
  const { start, end } = placeOf(code!, source);
  const attributes = new RegExp(ATTRIBUTES, "y");
  attributes.lastIndex = end;
  if (!attributes.test(source)) {
    throw new Error(`Cannot read the attributes of the import of "${specifier}" in ${module}`);
  }
  return { start, end: attributes.lastIndex, text: JSON.stringify(`${specifier}.ts`) };
}

/** Deno lists only the first import of a specifier, and a dry run does not notice further ones. */
function refuseTextImports(code: string, dependencies: readonly Dependency[], module: string): void {
  const imported = new Set(dependencies.map(({ specifier }) => specifier));
  for (const [, specifier] of code.matchAll(new RegExp(`["']([^"'\\n]+)["']${ATTRIBUTES}`, "g"))) {
    if (imported.has(specifier!)) throw new Error(`Cannot replace the second import of "${specifier}" in ${module}`);
  }
}

function publishedConfig(config: DenoConfig, modules: readonly Module[]): Partial<DenoConfig> {
  const published = Object.entries(config).filter(([key]) => PUBLISHED_KEYS.includes(key));
  const specifiers = modules.flatMap(({ dependencies = [] }) => dependencies.map(({ specifier }) => specifier));
  const names = new Set(specifiers.map((specifier) => importName(specifier, config)));
  const imports = Object.entries(config.imports ?? {}).filter(([name]) => names.has(name));
  const bundled = COMMAND in config.exports && { [COMMAND]: `./${BUNDLE}/${ENTRY_OF_BUNDLE}` };
  const exports = { ...config.exports, ...bundled };
  return { ...Object.fromEntries(published), exports, imports: Object.fromEntries(imports) };
}

/** The longest matching key of the import map, as import maps are resolved; undefined if none matches. */
export function importName(specifier: string, { imports = {} }: DenoConfig): string | undefined {
  return Object.keys(imports)
    .filter((name) => specifier === name || specifier.startsWith(`${name}/`))
    .toSorted((a, b) => b.length - a.length)[0];
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

if (import.meta.main) {
  const [directory, ...more] = Deno.args;
  if (directory === undefined || more.length > 0) {
    // deno-lint-ignore no-console
    console.error("Usage: deno task package DIRECTORY");
    Deno.exit(2);
  }
  await writePackage(directory);
}
