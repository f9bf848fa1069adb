/**
 * Joins the modules of the page's script into few files, because each request costs a slow connection a round trip.
 *
 * No build step: a checkout serves the same files as the published package. What is joined is this directory's own
 * code, formatted by `deno fmt`, so that imports, exports and comments can be found line by line; a test compares the
 * outcome with a real parser's.
 *
 * @module
 */

import { minified } from "./inlined.ts";

/** The module that starts the page. */
export const MAIN = "main.js";

/** The file with everything that the main module needs, and that the modules loaded on demand share with it. */
export const BASE = "base.js";

interface Module {
  readonly name: string;
  /** The source without comments and indentation. */
  readonly text: string;
  /** Modules that it needs when it is loaded. */
  readonly needs: readonly string[];
  /** Modules that it loads on demand. */
  readonly loads: readonly string[];
}

const COMMENT = /\/\*\*[^]*?\*\/[ \n]?|^[ \t]*\/\/.*\n/gm;
const INDENTATION = /^ +/gm;
const IMPORT = /^import \{([^}]*)\} from "\.\/(\w+\.js)";\n/gm;
const IMPORTED_TEXT = /^import (\w+) from "\.\/(\w+\.css)" with \{ type: "text" \};\n/gm;
const ON_DEMAND = /\bimport\("\.\/(\w+\.js)"\)/g;
const EXPORT = /^export (?=(?:async )?(?:function\*?|class|const) (\w+))/gm;

/**
 * Returns the files to serve by name.
 *
 * @param sources The modules, and the style sheets that they import as text, by name.
 * @param roots The modules loaded from outside, besides {@linkcode MAIN}.
 */
export function bundle(sources: ReadonlyMap<string, string>, roots: readonly string[]): Map<string, string> {
  const modules = new Map(
    [...sources].filter(([name]) => name.endsWith(".js")).map(([name, text]) => [name, parsed(name, text, sources)]),
  );
  const homes = homesOf(modules, [...roots, ...[...modules.values()].flatMap(({ loads }) => loads)]);
  return new Map([...new Set(homes.values())].map((file) => [file, joined(file, modules, homes)]));
}

function parsed(name: string, source: string, sources: ReadonlyMap<string, string>): Module {
  const text = source.replace(COMMENT, "").replace(INDENTATION, "")
    .replace(IMPORTED_TEXT, (_, given, file) => `const ${given} = ${JSON.stringify(minified(sources.get(file)!))};\n`);
  const needs = Array.from(text.matchAll(IMPORT), ([, , needed]) => needed!);
  return { name, text, needs, loads: Array.from(text.matchAll(ON_DEMAND), ([, loaded]) => loaded!) };
}

/**
 * The file of each module: the base if the main module needs it. Of the others, a module is part of the file of the one
 * that needs it, if it is not needed elsewhere: a module must not exist twice.
 */
function homesOf(modules: ReadonlyMap<string, Module>, roots: readonly string[]): Map<string, string> {
  const homes = new Map<string, string>();
  for (const name of neededBy(MAIN, modules)) homes.set(name, name === MAIN ? MAIN : BASE);
  const users = new Map<string, string>();
  for (const root of new Set(roots)) {
    for (const name of neededBy(root, modules)) users.set(name, `${users.get(name) ?? ""} ${root}`);
  }
  const last = new Map(Array.from(users, ([name, of]) => [of, name]));
  for (const [name, of] of users) {
    const user = last.get(of)!;
    const isPartOf = !roots.includes(name) && neededBy(user, modules).has(name);
    if (!homes.has(name)) homes.set(name, isPartOf ? user : name);
  }
  return homes;
}

/** A module and everything that it needs, in the order of evaluation. */
function neededBy(root: string, modules: ReadonlyMap<string, Module>, found: Set<string> = new Set()): Set<string> {
  for (const name of modules.get(root)!.needs) {
    if (!found.has(name)) neededBy(name, modules, found);
  }
  return found.add(root);
}

/** A file: its imports of other files, the modules it includes as functions, and the module it is named after. */
function joined(file: string, modules: ReadonlyMap<string, Module>, homes: ReadonlyMap<string, string>): string {
  const inside = [...neededBy(file === BASE ? MAIN : file, modules)].filter((name) => homes.get(name) === file);
  const needed = new Set(inside.flatMap((name) => modules.get(name)!.needs));
  const outside = [...needed].filter((name) => !inside.includes(name));
  const imports = [...new Set(outside.map((name) => homes.get(name)!))]
    .map((home) => importOf(home, outside.filter((name) => homes.get(name) === home)));
  const included = inside.filter((name) => name !== file);
  const exports = included.length > 0 ? `export { ${included.map(handleOf).join(", ")} };\n` : "";
  const own = modules.get(file);
  return [
    ...imports,
    ...included.map((name) => enclosed(modules.get(name)!, homes)),
    exports,
    own ? rewritten(own.text, homes) : "",
  ]
    .join("");
}

/** The variable that holds the exports of a module. No module's own names begin with a dollar sign. */
function handleOf(name: string): string {
  return `$${name.slice(0, -".js".length)}`;
}

function importOf(file: string, names: readonly string[]): string {
  const own = names.includes(file) ? [`import * as ${handleOf(file)} from "./${file}";\n`] : [];
  const others = names.filter((name) => name !== file).map(handleOf);
  return [...own, ...others.length > 0 ? [`import { ${others.join(", ")} } from "./${file}";\n`] : []].join("");
}

/** A module as a function, which keeps its private names apart from those of others. */
function enclosed({ name, text }: Module, homes: ReadonlyMap<string, string>): string {
  const exports = Array.from(text.matchAll(EXPORT), ([, exported]) => exported!);
  const body = rewritten(text, homes).replace(EXPORT, "");
  return `const ${handleOf(name)} = (() => {\n${body}return { ${exports.join(", ")} };\n})();\n`;
}

/** The source with the imports of modules as reads of their variables. */
function rewritten(text: string, homes: ReadonlyMap<string, string>): string {
  return text
    .replace(IMPORT, (_, names: string, from) => `const {${names.replaceAll(" as ", ": ")}} = ${handleOf(from)};\n`)
    .replace(ON_DEMAND, (all, name) => {
      const home = homes.get(name)!;
      return home === name ? all : `${all.replace(name, home)}.then((file) => file.${handleOf(name)})`;
    });
}

/** The code of this module, with which what is served changes. */
export const CODE: string = [
  bundle,
  parsed,
  homesOf,
  neededBy,
  joined,
  handleOf,
  importOf,
  minified,
  enclosed,
  rewritten,
  COMMENT,
  INDENTATION,
  IMPORT,
  IMPORTED_TEXT,
  ON_DEMAND,
  EXPORT,
].join("\n");
