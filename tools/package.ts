/**
 * Writes what is published to a directory that is empty or not there yet: `deno task package DIRECTORY`.
 *
 * The checkout itself is not published. Its `links` are for work without JSR, and its page is written in real HTML, CSS
 * and JavaScript files, imported as text, which the analysis on the server of JSR may refuse (jsr-io/jsr#1478). In the
 * copy there is a module with the text instead of each such file, and the configuration is cut down to what counts for
 * those who use the package. Files that no export needs are not in it, so that there is no list of what to leave out.
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { type Dependency, type Edit, edited, type Module, modulesOf, placeOf } from "./module_graph.ts";

/** What is published besides modules, where it is there. */
const PROSE = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"];

/** Keys of deno.json that are published; of `imports` only what is used. */
const PUBLISHED_KEYS = ["name", "version", "license", "exports", "imports", "compilerOptions"];

/** The checkout this file is in. */
export const CHECKOUT: URL = new URL("../", import.meta.url);

/** The configuration of a checkout; the part that is read here. */
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
}

async function makeEmpty(directory: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  for await (const _ of Deno.readDir(directory)) {
    throw new Error(`Cannot write the package to "${directory}": the directory is not empty`);
  }
}

/** The files of the copy, by their path in it. */
async function publishableFiles(checkout: URL): Promise<Map<string, Uint8Array>> {
  const config = await readConfig(checkout);
  const entries = Object.values(config.exports).map((path) => new URL(path, checkout));
  const modules = (await modulesOf(entries)).filter(({ specifier }) => isPublished(specifier, checkout, config));
  const texts = new Set(modules.flatMap(({ dependencies = [] }) => dependencies.filter(isText).map(urlOf)));
  const files = new Map(await readProse(checkout));
  for (const module of modules) {
    const { specifier } = module;
    const source = await Deno.readFile(new URL(specifier));
    if (texts.has(specifier)) files.set(pathIn(checkout, `${specifier}.ts`), textModule(specifier, source));
    else files.set(pathIn(checkout, specifier), withoutTextImports(module, source));
  }
  // Last, because it is a module of the graph too: the command reads its version there.
  return files.set("deno.json", encode(`${JSON.stringify(publishedConfig(config, modules), null, 2)}\n`));
}

/** The stand-ins for packages are not: who gets the package from JSR gets those from there. */
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

/** A module whose default export is a text. The type is written out: JSR asks for that in what is exported. */
function textModule(specifier: string, text: Uint8Array): Uint8Array {
  const name = decodeURIComponent(specifier.slice(specifier.lastIndexOf("/") + 1));
  return encode(`/** The text of ${name}, written by tools/package.ts. */
const text: string = ${JSON.stringify(new TextDecoder().decode(text))};
export default text;
`);
}

const TYPE_TEXT = String.raw`\{\s*type\s*:\s*["']text["']\s*,?\s*\}`;

/** What follows "y" in `import x from "y" with { type: "text" }` and in `import("y", { with: { type: "text" } })`. */
const ATTRIBUTES = String.raw`\s*(?:with\s*${TYPE_TEXT}|,\s*\{\s*with\s*:\s*${TYPE_TEXT}\s*,?\s*\})`;

/** A module that imports the modules with the texts. */
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

/** Deno tells the place of the first import of a specifier only, and a dry run does not miss what another imports. */
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
  return { ...Object.fromEntries(published), imports: Object.fromEntries(imports) };
}

/** The longest name in the import map that is meant by a specifier, as import maps want it; undefined without any. */
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
