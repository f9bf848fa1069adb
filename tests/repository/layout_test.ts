/** The rooms of handlers/: imports lead downwards only, and no module imports itself, types included. */

import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { type Module, modulesOf } from "../../tools/module_graph.ts";

/** From the ground to the roof: a room imports from itself and from rooms above it in this list. */
const ROOMS = [
  "http", // decisions of the protocol, without I/O
  "system", // calls of the C library, owners of files
  "certificates", // made without programs
  "http1", // the HTTP/1 parser
  "core", // requests, answers, failures: everything that needs no source
  "sources", // where bytes live
  "store", // operations on files, without HTTP
  "serving", // what every handler that serves from a source builds on
  "page", // the browser's page
  "layers",
  "identity", // users, rights, sessions, shares
  "files",
  "listing",
  "search",
  "archive",
  "checksum",
  "watch", // live reload
  "upload",
  "dav", // WebDAV
  "upstream", // CGI and FastCGI
  "transport", // listeners
  "python", // Python's classes
  "site", // all of it put together
  "mod.ts", // what of it is public
];

/** Modules that refer to each other: a server and its handler know each other, as in Python. Types only. */
const ALLOWED_CIRCLE = ["python/base.ts", "python/server.ts"];

const BASE = new URL("../../handlers/", import.meta.url).href;
const ENTRIES = Object.values(config.exports).map((path) => new URL(`../../${path}`, import.meta.url));

/** Imports between modules of handlers/, as paths below it. */
function importsOf(modules: readonly Module[]): [string, string][] {
  const pairs = modules.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.flatMap(({ code, type }) =>
      [code, type].map((target) => [specifier, target?.specifier ?? ""] as [string, string])
    )
  );
  const inside = pairs.filter(([from, to]) => from.startsWith(BASE) && to.startsWith(BASE));
  return inside.map(([from, to]) => [from.slice(BASE.length), to.slice(BASE.length)]);
}

/** Imports that lead upwards, and modules outside of all rooms. */
function misplaced(imports: readonly [string, string][]): string[] {
  const floor = (path: string) => ROOMS.indexOf(path.split("/")[0]!);
  return imports.filter(([from, to]) => floor(from) < 0 || floor(to) < 0 || floor(to) > floor(from))
    .map(([from, to]) => `${from} imports ${to}`);
}

/** The modules that are left when those that import none of the others, or that none imports, are taken away again and again. */
function circular(imports: readonly [string, string][]): string[] {
  let left = [...imports];
  for (;;) {
    const importing = new Set(left.map(([from]) => from));
    const imported = new Set(left.map(([, to]) => to));
    const rest = left.filter(([from, to]) => importing.has(to) && imported.has(from));
    if (rest.length === left.length) return [...new Set(rest.map(([from]) => from))].sort();
    left = rest;
  }
}

Deno.test("imports lead downwards, and never in a circle", async () => {
  const imports = importsOf(await modulesOf(ENTRIES));
  assertEquals(imports.length > 500, true);
  assertEquals(misplaced(imports), []);
  assertEquals(circular(imports).filter((path) => !ALLOWED_CIRCLE.includes(path)), []);
});

Deno.test("an import upwards, a circle and a module without a room are noticed", () => {
  assertEquals(misplaced([["http/a.ts", "core/b.ts"], ["core/b.ts", "http/a.ts"]]), ["http/a.ts imports core/b.ts"]);
  assertEquals(misplaced([["core/a.ts", "loose.ts"]]), ["core/a.ts imports loose.ts"]);
  assertEquals(circular([["a", "b"], ["b", "c"], ["c", "b"], ["c", "d"]]), ["b", "c"]);
});
