/** What the package exports: small enough to read, complete, and nothing internal. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import { OPTION_ROWS } from "../../cli/options.ts";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../support/paths.ts";

/** The most names of the main entry that can be read in a minute. */
const MOST_NAMES = 60;

const ENTRIES = new Map(Object.entries(config.exports));

/** One export, as `deno doc --json` describes it; only the fields used here. */
interface Documented {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly jsDoc?: { readonly tags?: readonly { readonly kind: string; readonly doc?: string }[] };
    readonly def?: {
      readonly properties?: readonly { readonly name: string }[];
      readonly methods?: readonly { readonly name: string }[];
    };
  }[];
}

async function documented(path: string): Promise<readonly Documented[]> {
  const args = ["doc", "--json", path];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdin: "null" }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: Record<string, { symbols: Documented[] }>;
  };
  return Object.values(nodes)[0]!.symbols;
}

/** The exports of each entry. */
const exported = new Map(
  await Promise.all([...ENTRIES].map(async ([entry, path]) => [entry, await documented(path)] as const)),
);

function namesOf(entry: string): string[] {
  return exported.get(entry)!.map(({ name }) => name);
}

function specifierOf(entry: string): string {
  return `@x/pyserve${entry.slice(1)}`;
}

/** The values that each entry exports; loaded here, because the modules of a server keep what they load. */
const loaded = new Map<string, readonly string[]>();
for (const entry of ENTRIES.keys()) loaded.set(entry, Object.keys(await import(specifierOf(entry))));

/** Names that only pyserve's own modules use. */
const INTERNAL = [
  ...["loadFilteredWriter", "isPlainOnWindows", "problemOfName", "ENCODED_SLASH", "pathSegments", "hasBody", "spool"],
  ...["targetBeforeEncodedSlash", "rulePath", "ScriptFinder", "scriptResponse", "CgiHeaderParser", "Limiter"],
  ...["markFailure", "internalsOf", "InternalContext", "RequestNotes", "OfferedResponse", "OfferedAbsence"],
  ...["allowAsked", "putter", "withErrorPage", "filesWith", "listingParts", "cgiEnvironment", "ResponseCache"],
];

Deno.test("the entries are those that the documentation names, and each loads by its name", () => {
  const entries = [
    ...[".", "./cli", "./handlers", "./http", "./identity", "./layers", "./python", "./sources", "./store"],
  ];
  assertEquals([...ENTRIES.keys()].toSorted(), entries);
  const imports: Record<string, string> = config.imports;
  for (const [entry, path] of ENTRIES) {
    assertEquals(imports[specifierOf(entry)], path); // for the tests and examples of the checkout
    assert(loaded.get(entry)!.length > 0);
  }
});

Deno.test(`the main entry has at most ${MOST_NAMES} names, each written out`, async () => {
  const names = namesOf(".");
  assert(names.length <= MOST_NAMES, `${names.length} names`);
  for (const path of ENTRIES.values()) {
    const source = await Deno.readTextFile(join(ROOT, path));
    assertEquals(source.match(/^export \*/gm), null, path);
  }
});

Deno.test("handlers, features, layers, sources and Python's classes are in the main entry, and in that of their kind", () => {
  const main = namesOf(".");
  const expected: Record<string, string[]> = {
    "./handlers": [
      ...[
        "archive",
        "archives",
        "cgi",
        "cgiFeature",
        "checksum",
        "checksums",
        "fastCgiFeature",
        "fastcgi",
        "files",
        "proxy",
        "proxyFeature",
      ],
      ...["listing", "search", "searches", "upload", "uploadFeatures", "Feature"],
    ],
    "./layers": ["accessLog", "errorPages", "headers"],
    "./sources": ["disk", "filtered", "memory", "FileSource"],
    "./http": ["SitePath", "Target"],
    "./python": [
      ...["HTTPServer", "ThreadingHTTPServer", "HTTPSServer", "ThreadingHTTPSServer"],
      ...["BaseHTTPRequestHandler", "SimpleHTTPRequestHandler", "CGIHTTPRequestHandler"],
    ],
  };
  for (const [entry, names] of Object.entries(expected)) {
    assertEquals(names.filter((name) => !main.includes(name) || !namesOf(entry).includes(name)), [], entry);
  }
  assertEquals(["test", "HTTPMessage"].filter((name) => main.includes(name)), []);
});

/** The names under each comment of a module (`// Server: ...`). */
function groupsOf(source: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const part of source.split(/^\/\/ (?=[A-Z]\w+: )/m).slice(1)) {
    const group = /^\w+/.exec(part)![0];
    for (const [, names] of part.matchAll(/^export (?:type )?\{([^}]*)\}/gm)) {
      for (const name of names!.split(",").map((each) => each.trim().replace("type ", ""))) groups.set(name, group);
    }
  }
  return groups;
}

Deno.test("each name of the main entry has the category under which the module lists it", async () => {
  const source = await Deno.readTextFile(join(ROOT, "mod.ts"));
  const groups = groupsOf(source);
  for (const { name, declarations } of exported.get(".")!) {
    const tags = declarations.flatMap(({ jsDoc }) => jsDoc?.tags ?? []).filter(({ kind }) => kind === "category");
    assertEquals([name, ...new Set(tags.map(({ doc }) => doc))], [name, groups.get(name)]);
  }
});

Deno.test("the overview of the main entry names its functions by category", async () => {
  const overview = (await Deno.readTextFile(join(ROOT, "mod.ts"))).split("*/")[0]!.replace(/\n \* {3}/g, " ");
  for (
    const { name, declarations } of exported.get(".")!.filter(({ declarations }) =>
      declarations[0]!.kind === "function"
    )
  ) {
    const { doc } = declarations[0]!.jsDoc!.tags!.find(({ kind }) => kind === "category")!;
    assert(
      overview.split("\n").some((line) => line.startsWith(` * - ${doc}: `) && line.includes(`\`${name}\``)),
      name,
    );
  }
});

Deno.test("nothing internal is exported", () => {
  const all = [...exported.keys()].flatMap(namesOf);
  assertEquals(all.filter((name) => INTERNAL.includes(name) || /^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/.test(name)), []);
  const properties = (entry: string, name: string) => {
    const { declarations } = exported.get(entry)!.find((each) => each.name === name)!;
    return declarations.flatMap(({ def }) => def?.properties ?? []).map(({ name }) => name);
  };
  const inside = ["notes", "retargeted", "cutsAtLength", "keep"];
  for (const [entry, name, known] of [[".", "Context", "target"], ["./handlers", "Content", "etag"]] as const) {
    assert(properties(entry, name).includes(known));
    assertEquals(properties(entry, name).filter((property) => inside.includes(property)), []);
  }
});

/** The library's chapter of the documentation. */
const LIBRARY = await Deno.readTextFile(join(ROOT, "docs/library.md"));

/** What the code spans of a text contain. */
function spansOf(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, span]) => span!);
}

Deno.test("docs/library.md says where each function and class is", () => {
  const list = LIBRARY.split("Which export is where")[1]!.split("\n\n- ")[1]!.split("\n\n")[0]!;
  const listed = new Map(list.split("\n- ").map((item) => [/`([^`]+)`/.exec(item)![1]!, spansOf(item)]));
  for (const entry of ["./handlers", "./layers", "./sources", "./identity", "./store"]) {
    const known = [...listed.get(".")!, ...listed.get(entry.slice(1))!];
    assertEquals(loaded.get(entry)!.filter((name) => !known.includes(name)), [], entry);
  }
});

Deno.test("docs/library.md says what each option of the command is in the library", () => {
  const rows = LIBRARY.split("## The options of the command")[1]!.split("\n## ")[0]!.split("\n")
    .filter((line) => line.startsWith("| `--")).map((line) => line.split(" | "));
  const options = rows.flatMap(([options]) => spansOf(options!)).toSorted();
  assertEquals(options, OPTION_ROWS.map(([name]) => `--${name}`).toSorted());
  const nodes = [...exported.values()].flat();
  const properties = nodes.flatMap(({ declarations }) => declarations)
    .flatMap(({ def }) => [...def?.properties ?? [], ...def?.methods ?? []]);
  const names = new Set([...nodes, ...properties].map(({ name }) => name));
  const words = rows.flatMap(([, meaning]) => spansOf(meaning!)).flatMap((span) => span.match(/^\w+/)![0]);
  assertEquals(words.filter((word) => !names.has(word)), []);
});

Deno.test("each exported function has an example that runs", () => {
  const without = [...exported].flatMap(([entry, symbols]) => {
    const functions = symbols.filter(({ declarations: [first] }) => first!.kind === "function");
    return functions.filter(({ declarations }) =>
      !declarations.some(({ jsDoc }) => jsDoc?.tags?.some(({ kind }) => kind === "example"))
    ).map(({ name }) => `${entry} ${name}`);
  });
  // These have the example of their module.
  assertEquals(without, ["./cli main", "./cli runAsProcess"]);
});
