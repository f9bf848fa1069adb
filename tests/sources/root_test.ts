/** The root is a name that is resolved on every access; and the proofs of cached responses. */

import { assert, assertEquals } from "@std/assert";
import { disk, fileServer, type FileSource, filtered, SitePath, toFetch } from "@x/pyserve";
import { isVisible } from "@x/pyserve/sources";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { clockAhead } from "../support/clock.ts";
import { interposed } from "../support/interposed.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { pathOf, textAt } from "../support/source.ts";

const ignore = Deno.build.os === "windows";
const WAYS = [{ way: "held", holds: true }, { way: "by name", holds: false }]
  .filter(({ holds }) => !holds || DESCRIPTORS !== null);

/** Retargets a link atomically, as releases are switched. */
function lead(link: string, target: string): void {
  Deno.symlinkSync(target, `${link}.next`);
  Deno.renameSync(`${link}.next`, link);
}

/** Does work with the clock ahead. */
async function after<T>(milliseconds: number, work: () => T | Promise<T>): Promise<T> {
  using _clock = clockAhead(milliseconds);
  return await work();
}

async function namesAt(source: FileSource, path: SitePath): Promise<string[] | null> {
  const slices = await source.list(path);
  return slices && (await Array.fromAsync(slices)).flat().map(({ name }) => name).sort();
}

/** Two releases, and the two ways in which a root may lead to one of them. */
const RELEASES = { "r1/site/v.txt": "one", "r1/site/old/x": "", "r2/site/v.txt": "two", "r2/site/new/x": "" };
const ROOTS = [
  { what: "the root is a link", link: "current", to: (release: string) => `${release}/site`, root: "current" },
  { what: "a directory above is a link", link: "current", to: (release: string) => release, root: "current/site" },
];

for (const { what, link, to, root } of ROOTS) {
  for (const { way, holds } of WAYS) {
    Deno.test({
      name: `B2: where ${what} and is switched, the new release is read, listed, written and located (${way})`,
      ignore,
      async fn() {
        await using tree = await tempTree(RELEASES);
        lead(tree.at(link), to("r1"));
        const source = new DiskSource(tree.at(root), { followLinks: false, holds });
        const path = pathOf("v.txt");
        assertEquals([await textAt(source, path), await namesAt(source, SitePath.root)], ["one", ["old", "v.txt"]]);
        const isFresh = await after(10_000, async () => source.freshness(path, (await source.stat(path))!)!);
        const isAbsent = await after(10_000, () => source.absence(pathOf("new"))!);
        assert(isFresh() && isAbsent());
        lead(tree.at(link), to("r2"));
        assert(!isFresh() && !isAbsent());
        assertEquals([await textAt(source, path), await namesAt(source, SitePath.root)], ["two", ["new", "v.txt"]]);
        assertEquals(source.locate(path), tree.at("r2/site/v.txt"));
        const writer = await source.openWriter();
        const part = await writer.create(pathOf("up.txt"), "id");
        await part.commit({ paths: [pathOf("up.txt")], replace: false });
        await writer.makeDirectory(pathOf("made"));
        await writer.remove(pathOf("v.txt"));
        await Deno.remove(tree.at("r1"), { recursive: true });
        assertEquals(await namesAt(source, SitePath.root), ["made", "new", "up.txt"]);
      },
    });
  }
}

for (const { way, holds } of WAYS) {
  Deno.test({
    name: `B2: containment is judged by the current target of the root (${way})`,
    ignore,
    async fn() {
      await using tree = await tempTree({ "r1/a.txt": "one", "r1/dir/b.txt": "one", "r2/c.txt": "two" });
      await Deno.symlink("../r1/a.txt", tree.at("r2/a.txt"));
      await Deno.symlink("../r1/dir", tree.at("r2/dir"));
      lead(tree.at("current"), "r1");
      const source = new DiskSource(tree.at("current"), { followLinks: false, holds });
      const paths = ["a.txt", "dir/b.txt"].map(pathOf);
      for (const path of paths) assertEquals(await textAt(source, path), "one");
      lead(tree.at("current"), "r2");
      for (const path of paths) {
        assertEquals([await textAt(source, path), source.locate(path)], [null, null], path.text);
      }
      assertEquals(await namesAt(source, pathOf("dir")), null);
    },
  });

  Deno.test({
    name: `a root that is switched at any step is served as it was or as it is (${way})`,
    ignore,
    async fn() {
      const seen = new Set<string>();
      let steps = 1;
      for (let step = 0; step < steps; step++) {
        await using tree = await tempTree({ "r1/v.txt": "one", "r2/v.txt": "two" });
        await Deno.symlink(tree.at("r1/v.txt"), tree.at("r1/link")); // absolute, so that it takes the longer code path
        await Deno.symlink(tree.at("r2/v.txt"), tree.at("r2/link"));
        lead(tree.at("current"), "r1");
        const source = new DiskSource(tree.at("current"), { followLinks: false, holds });
        let size: number | null = null;
        let real: string | null = null;
        const { symlinkSync: symlink, renameSync: rename } = Deno;
        steps = await interposed(async () => {
          size = (await source.stat(pathOf("link")))?.size ?? null;
          real = source.locate(pathOf("link"));
        }, (call) => {
          if (call !== step) return;
          symlink("r2", tree.at("next"));
          rename(tree.at("next"), tree.at("current"));
        });
        assertEquals(size, 3, `switched at ${step}`);
        seen.add(String(real).slice(tree.path.length));
      }
      assertEquals([...seen].sort(), ["/r1/v.txt", "/r2/v.txt"]);
    },
  });

  Deno.test({
    name: `links inside are followed however they are written, others are not there (${way})`,
    ignore,
    async fn() {
      await using tree = await tempTree({ "root/a/x.txt": "in", "root2/x.txt": "out", "x.txt": "out" });
      const links = {
        "relative": "a/x.txt",
        "absolute": tree.at("root/a/x.txt"),
        "out-and-back": "../root/a/x.txt",
        "a/up": "../a/x.txt",
        "out": "../x.txt",
        "sibling": "../root2/x.txt",
        "absolute-out": tree.at("x.txt"),
        "magic": "/proc/self/root/etc/hostname",
      };
      for (const [name, target] of Object.entries(links)) await Deno.symlink(target, tree.at(`root/${name}`));
      const source = new DiskSource(tree.at("root"), { followLinks: false, holds });
      for (const name of Object.keys(links)) {
        const isInside = ["relative", "absolute", "out-and-back", "a/up"].includes(name);
        assertEquals(await textAt(source, pathOf(name)), isInside ? "in" : null, name);
      }
      const open = new DiskSource(tree.at("root"), { followLinks: true, holds });
      for (const name of ["out", "sibling", "absolute-out"]) assertEquals(await textAt(open, pathOf(name)), "out");
    },
  });
}

/** A stable file and its freshness check, with the clock ten seconds ahead. */
async function withCheck(
  files: Record<string, string>,
  path: SitePath,
  work: (isFresh: () => boolean, tree: TempTree, source: FileSource) => void | Promise<void>,
): Promise<void> {
  await using tree = await tempTree(files);
  const source = disk(tree.at("root"));
  await after(10_000, async () => {
    const isFresh = source.freshness!(path, (await source.stat(path))!)!;
    assert(isFresh());
    await work(isFresh, tree, source);
  });
}

Deno.test({
  name: "a cached file that becomes a link to the same file outside is not fresh",
  ignore,
  fn: () =>
    withCheck({ "root/a.txt": "a", "outside/": "" }, pathOf("a.txt"), (isFresh, tree) => {
      Deno.linkSync(tree.at("root/a.txt"), tree.at("outside/a.txt")); // which changes its ctime, in the same second
      Deno.removeSync(tree.at("root/a.txt"));
      Deno.symlinkSync("../outside/a.txt", tree.at("root/a.txt"));
      assert(!isFresh());
    }),
});

Deno.test({
  name: "a cached file whose directory is moved out and linked to is not fresh a second later",
  ignore,
  fn: () =>
    withCheck({ "root/d/a.txt": "a", "outside/": "" }, pathOf("d/a.txt"), async (isFresh, tree, source) => {
      Deno.renameSync(tree.at("root/d"), tree.at("outside/d"));
      Deno.symlinkSync("../outside/d", tree.at("root/d"));
      await after(1_000, () => assert(!isFresh()));
      assertEquals(await source.stat(pathOf("d/a.txt")), null);
    }),
});

Deno.test({
  name: "a cached file that is replaced, grows or goes is not fresh",
  fn: async () => {
    const changes: ((name: string) => void)[] = [
      (name) => Deno.removeSync(name),
      (name) => Deno.writeTextFileSync(name, "longer"),
      (name) => {
        Deno.writeTextFileSync(`${name}.new`, "a");
        Deno.renameSync(`${name}.new`, name);
      },
    ];
    for (const change of changes) {
      await withCheck({ "root/a.txt": "a" }, pathOf("a.txt"), (isFresh, tree) => {
        change(tree.at("root/a.txt"));
        assert(!isFresh());
      });
    }
  },
});

Deno.test("there is no freshness check for a file that has just changed, nor for names in such a directory", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const source = disk(tree.path);
  const seen = (await source.stat(pathOf("a.txt")))!;
  assertEquals([source.freshness!(pathOf("a.txt"), seen), source.absence!(pathOf("none"))], [null, null]);
  await after(10_000, async () => {
    const settled = (await source.stat(pathOf("a.txt")))!;
    const checks = [source.freshness!(pathOf("a.txt"), settled), source.absence!(pathOf("none"))];
    assertEquals(checks.map((isSo) => isSo?.()), [true, true]);
    assertEquals(source.absence!(pathOf("a.txt")), null); // it exists
    assertEquals(source.freshness!(pathOf("a.txt"), { ...settled, version: "another" }), null);
  });
});

Deno.test({
  name: "absence is proven in the directory itself, not in one that has taken its name",
  ignore,
  async fn() {
    await using tree = await tempTree({ "root/d/x": "", "outside/y": "" });
    const source = disk(tree.at("root"));
    await after(10_000, () => {
      assert(source.absence!(pathOf("d/none"))?.());
      Deno.renameSync(tree.at("root/d"), tree.at("root/kept"));
      Deno.symlinkSync("../outside", tree.at("root/d"));
      assertEquals(source.absence!(pathOf("d/none")), null);
      assertEquals(source.absence!(pathOf("d/y")), null);
    });
  },
});

Deno.test({
  name: "a response from the cache is of the current release",
  ignore,
  async fn() {
    await using tree = await tempTree(RELEASES);
    lead(tree.at("current"), "r1/site");
    const fetch = toFetch(fileServer(tree.at("current"), { log: false }));
    const get = async (target: string) => await (await fetch(new Request(`http://localhost${target}`))).text();
    await after(10_000, async () => {
      for (let i = 0; i < 3; i++) assertEquals(await get("/v.txt"), "one");
      for (let i = 0; i < 3; i++) assert((await get("/?format=text")).includes("old/"));
      for (let i = 0; i < 3; i++) assert((await get("/new/x")).startsWith("404"));
      lead(tree.at("current"), "r2/site");
      assertEquals([await get("/v.txt"), await get("/?format=text"), await get("/new/x")], [
        "two",
        "new/\nv.txt\n",
        "",
      ]);
    });
  },
});

Deno.test({
  name: "A15: a visible link shows what is in a hidden directory, because the path that was asked for is judged",
  ignore,
  async fn() {
    await using tree = await tempTree({ ".releases/5/v.txt": "five", "..data/page.html": "data", ".env": "secret" });
    await Deno.symlink(".releases/5", tree.at("current"));
    await Deno.symlink("..data/page.html", tree.at("page.html")); // as Kubernetes mounts a ConfigMap
    const source = filtered(disk(tree.path), isVisible);
    assertEquals(await textAt(source, pathOf("current/v.txt")), "five");
    assertEquals(await textAt(source, pathOf("page.html")), "data");
    for (const hidden of [".releases/5/v.txt", "..data/page.html", ".env"]) {
      assertEquals(await source.stat(pathOf(hidden)), null, hidden);
    }
    assertEquals(await namesAt(source, SitePath.root), ["current", "page.html"]);
  },
});

Deno.test({
  name: "a file that is replaced at any step is there, and located by its name",
  ignore,
  async fn() {
    let steps = 1;
    for (let step = 0; step < steps; step++) {
      await using tree = await tempTree({ "a.txt": "old" });
      const source = disk(tree.path);
      const { writeTextFileSync: write, renameSync: rename } = Deno;
      let seen: unknown[] = [];
      steps = await interposed(async () => {
        seen = [(await source.stat(pathOf("a.txt")))?.size, await source.locate!(pathOf("a.txt"))];
      }, (call) => {
        if (call !== step) return;
        write(tree.at("new"), "new");
        rename(tree.at("new"), tree.at("a.txt"));
      });
      assertEquals(seen, [3, tree.at("a.txt")], `replaced at ${step}`);
    }
    await using tree = await tempTree({ "a (deleted)": "it only has that name" });
    assertEquals(await disk(tree.path).locate!(pathOf("a (deleted)")), tree.at("a (deleted)"));
  },
});

Deno.test({
  name: "B2: a file is served by the name that was given, wherever that leads, and nothing else is",
  ignore,
  async fn() {
    await using tree = await tempTree({ "r1/v.txt": "one", "r2/v.txt": "two", "served/other.txt": "other" });
    lead(tree.at("served/latest.txt"), "../r1/v.txt");
    const fetch = toFetch(fileServer(tree.at("served/latest.txt"), { log: false }));
    const get = async (target: string) => await (await fetch(new Request(`http://localhost${target}`))).text();
    assertEquals([await get("/"), await get("/latest.txt")], ["one", "one"]);
    lead(tree.at("served/latest.txt"), "../r2/v.txt");
    assertEquals([await get("/"), await get("/latest.txt")], ["two", "two"]);
    for (const hidden of ["/other.txt", "/../r1/v.txt", "/latest.txt/x"]) assert((await get(hidden)).startsWith("404"));
  },
});
