/** Paths that are replaced between any two system calls: nothing outside the root is read, listed, changed or removed. */

import { assert, assertEquals } from "@std/assert";
import { type FileSource, filtered, type SitePath } from "@x/pyserve";
import { FileChanged, isVisible, writableIn, WriteRefused } from "@x/pyserve/sources";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { DiskRoot } from "../../handlers/sources/contained.ts";
import { DESCRIPTORS, LATER } from "../../handlers/sources/disk_calls.ts";
import { openFound } from "../../handlers/sources/disk_file.ts";
import { doLater } from "../../handlers/sources/steps.ts";
import { atEachStep, type Exchange, exchangeOf, type Round } from "../support/interposed.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { namesBelow } from "../support/upload.ts";
import { pathOf, textAt } from "../support/source.ts";

const SECRET = "SECRET";
const INSIDE = "inside";

/** Errors that a source may throw for a replaced path. */
function isNoError(error: unknown): boolean {
  return error instanceof FileChanged || error instanceof WriteRefused || error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory || (error as { code?: string }).code === "ENOTEMPTY";
}

async function orRefused<T>(work: () => T | Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!isNoError(error)) throw error;
    return null;
  }
}

/** The listed names, including those before an error: they may have been sent. */
async function namesAt(source: FileSource, path: SitePath): Promise<string[] | null> {
  const slices = await source.list(path);
  if (slices === null) return null;
  const names: string[] = [];
  try {
    for await (const slice of slices) names.push(...slice.map(({ name }) => name));
  } catch (error) {
    if (!(error instanceof FileChanged)) throw error;
  }
  return names;
}

/** With descriptors every replacement is safe; without them, those that are not undone between two checks. */
const WAYS = [
  { way: "held", holds: true, ignore: DESCRIPTORS === null },
  { way: "by name", holds: false, ignore: Deno.build.os === "windows" },
];

interface Case {
  /** The tree; `root` in it is served. */
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** The path that is replaced by a link, and the link's target. */
  readonly exchanged: readonly [path: string, target: string];
  readonly work: (source: FileSource, root: string) => unknown;
  /** Checks the state afterwards, and the result of the work. */
  readonly check: (result: unknown, tree: TempTree, round: Round) => Promise<void> | void;
}

async function exchangeAll(holds: boolean, { files, links = {}, exchanged, work, check }: Case): Promise<void> {
  const results = new Set<string>();
  const rounds = await atEachStep(async () => {
    const tree = await tempTree(files);
    for (const [name, target] of Object.entries(links)) Deno.symlinkSync(target, tree.at(name));
    const [path, target] = exchanged;
    const exchange = exchangeOf(tree.at(path), (beside) => Deno.symlinkSync(tree.at(target), beside));
    const source = new DiskSource(tree.at("root"), { followLinks: false, holds });
    let result: unknown;
    return {
      exchange: holds ? exchange : { ...exchange, back() {} } satisfies Exchange,
      work: async () => result = await orRefused(() => work(source, tree.at("root"))),
      async check(round) {
        await using _tree = tree;
        results.add(JSON.stringify(result));
        await check(result, tree, round);
      },
    };
  });
  assert(rounds >= 3, `There were ${rounds} rounds only`);
  assert(results.size > 1 || !results.has("null"), "Nothing was ever done");
}

const DIRECTORY = {
  files: { "root/dir/a.txt": INSIDE, "outside/a.txt": SECRET, [`outside/${SECRET}`]: SECRET, "outside/sub/x": SECRET },
  exchanged: ["root/dir", "outside"],
} as const;

const A = pathOf("dir/a.txt");

const READING: Readonly<Record<string, Case>> = {
  "a file is opened": {
    ...DIRECTORY,
    work: (source) => textAt(source, A),
    check: (text) => assert(text === INSIDE || text === null, String(text)),
  },
  "a file itself is exchanged and opened": {
    ...DIRECTORY,
    exchanged: ["root/dir/a.txt", "outside/a.txt"],
    work: (source) => textAt(source, A),
    check: (text) => assert(text === INSIDE || text === null, String(text)),
  },
  "a file is looked at": {
    ...DIRECTORY,
    files: { ...DIRECTORY.files, "outside/a.txt": "longer than inside" },
    work: async (source) => (await source.stat(A))?.size ?? null,
    check: (size) => assert(size === INSIDE.length || size === null, String(size)),
  },
  "a file is located": {
    ...DIRECTORY,
    work: (source) => source.locate!(A),
    check: (real, tree) => assert(real === null || String(real).startsWith(tree.at("root/")), String(real)),
  },
  "a directory is listed": {
    ...DIRECTORY,
    work: (source) => namesAt(source, pathOf("dir")),
    check: (names) => assert(names === null || !String(names).includes(SECRET), String(names)),
  },
  "a directory is listed through a link inside": {
    files: { "root/data/x/a/sub/in.txt": INSIDE, [`outside/y/a/sub/${SECRET}`]: SECRET },
    links: { "root/pub": "data/x/a" },
    exchanged: ["root/data/x", "outside/y"],
    work: (source) => namesAt(source, pathOf("pub/sub")),
    check: (names) => assert(names === null || !String(names).includes(SECRET), String(names)),
  },
  "a link in a directory is looked at": {
    files: { "root/dir/target.txt": INSIDE, "outside/target.txt": "longer than inside", "outside/z": "" },
    links: { "root/dir/link": "target.txt", "outside/link": "target.txt" },
    exchanged: ["root/dir", "outside"],
    async work(source) {
      const slices = await source.list(pathOf("dir"));
      const entries = slices && (await Array.fromAsync(slices)).flat();
      return entries && entries.map(({ name, stat }) => `${name} ${stat?.size}`);
    },
    check: (entries) => assert(entries === null || !/z|18/.test(String(entries)), String(entries)),
  },
};

for (const { way, holds, ignore } of WAYS) {
  for (const [name, each] of Object.entries(READING)) {
    Deno.test({
      name: `exchanged for a link to outside while ${name} (${way})`,
      ignore,
      fn: () => exchangeAll(holds, each),
    });
  }
}

/** Fails if anything outside has changed. */
async function assertOutsideIsLeftAlone(_: unknown, tree: TempTree, { out, back }: Round): Promise<void> {
  const names = await namesBelow(tree.at("outside"));
  assertEquals(names, ["a.txt", SECRET, "sub/", "sub/x"].sort(), `exchanged at ${out}, back at ${back}`);
  assertEquals(Deno.readTextFileSync(tree.at("outside/a.txt")), SECRET);
  assertEquals(Deno.statSync(tree.at("outside/a.txt")).mode! & 0o777, 0o644);
}

const bytes = new TextEncoder().encode("new");

async function put(source: FileSource, replace: boolean, path = A): Promise<string> {
  const writer = await source.openWriter!();
  const part = await writer.create(path, "id");
  try {
    await part.write(bytes);
    await part.commit({ paths: [path], replace });
    return "written";
  } catch (error) {
    await part.discard();
    throw error;
  }
}

const WRITING: Readonly<Record<string, Case["work"]>> = {
  "a file is replaced": (source) => put(source, true),
  async "a part is made and discarded"(source) {
    await (await (await source.openWriter!()).create(A, "id")).discard();
    return "done";
  },
  async "a part is made, kept, resumed and finished"(source) {
    const writer = await source.openWriter!();
    await (await writer.create(A, "id")).keep();
    await writer.progress(A, "id");
    const part = await writer.resume(A, "id");
    try {
      await part?.commit({ paths: [A], replace: true });
    } catch (error) {
      await part?.discard();
      throw error;
    }
    return part && "written";
  },
  "a file is removed": async (source) => void await (await source.openWriter!()).remove(A),
  "a directory is removed": async (source) =>
    void await (await source.openWriter!()).remove(pathOf("dir"), { recursive: true }),
  "a file is moved away": async (source) =>
    void await (await source.openWriter!()).move(A, { paths: [pathOf("b.txt")], replace: false }),
  "directories are made": async (source) => void await (await source.openWriter!()).makeDirectory(pathOf("dir/new")),
  "parts are swept": async (source) => await (await source.openWriter!()).sweep(-10_000),
};

for (const [name, work] of Object.entries(WRITING)) {
  Deno.test({
    name: `exchanged for a link to outside while ${name}`,
    ignore: DESCRIPTORS === null,
    fn: () => exchangeAll(true, { ...DIRECTORY, work, check: assertOutsideIsLeftAlone }),
  });
}

/** The one directory that takes uploads, a directory in it, and programs elsewhere in the same root. */
const PLACES = {
  files: { "root/in/dir/a.txt": INSIDE, "root/bin/a.txt": SECRET, "root/bin/run": SECRET },
  exchanged: ["root/in/dir", "root/bin"],
} as const;

const IN_A = pathOf("in/dir/a.txt");

const IN = ["/in"];
const IN_AND_MORE = ["/in", "/bin"];

const WRITING_IN: Readonly<Record<string, readonly [work: Case["work"], inner: string[], outer: string[]]>> = {
  "a file is stored": [(source) => put(source, true, IN_A), IN_AND_MORE, IN],
  "a file is removed": [async (source) => void await (await source.openWriter!()).remove(IN_A), IN, IN_AND_MORE],
  "a directory is made": [
    async (source) => void await (await source.openWriter!()).makeDirectory(pathOf("in/dir/new")),
    IN_AND_MORE,
    IN,
  ],
};

for (const [name, [work, ...asked]] of Object.entries(WRITING_IN)) {
  Deno.test({
    name: `exchanged for a link to programs where only one directory takes uploads, while ${name}`,
    ignore: DESCRIPTORS === null,
    fn: () =>
      exchangeAll(true, {
        ...PLACES,
        work: (source, root) => work(onlyIn(source, ...asked), root),
        async check(_result, tree, { out, back }) {
          const when = `exchanged at ${out}, back at ${back}`;
          assertEquals(await namesBelow(tree.at("root/bin")), ["a.txt", "run"], when);
          assertEquals(Deno.readTextFileSync(tree.at("root/bin/a.txt")), SECRET, when);
        },
      }),
  });
}

/** The writable directory is known to an outer source only, and must reach the disk source. */
function onlyIn(source: FileSource, inner: readonly string[], outer: readonly string[]): FileSource {
  return writableIn(filtered(writableIn(source, inner), isVisible), outer);
}

Deno.test({
  name: "exchanged for a link to outside while a slow file system is read in the background",
  ignore: DESCRIPTORS === null,
  fn: () =>
    exchangeAll(true, {
      ...DIRECTORY,
      async work(_source, name) {
        const root = new DiskRoot(name, { followLinks: false });
        using found = await doLater(root.find(LATER, A));
        if (found === null) return null;
        using file = await doLater(openFound(LATER, found));
        const bytes = new Uint8Array(100);
        return new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
      },
      check: (text) => assert(text === INSIDE || text === null, String(text)),
    }),
});
