/** Watching a source: real changes on disk arrive as paths, and only those that the source exposes. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { cgiFeature, disk, type FileSource, filtered, memory, SitePath, union } from "@x/pyserve";
import { isVisible, readOnly, writableIn } from "@x/pyserve/sources";
import { tempTree } from "../support/tree.ts";
import { until, within } from "../support/wait.ts";

function path(text: string): SitePath {
  return text.split("/").filter(Boolean).reduce((parent, name) => parent.child(name)!, SitePath.root);
}

/** Collects what is reported until the path of the last change. */
async function reported(source: FileSource, at: string, change: () => unknown, last: string): Promise<Set<string>> {
  const stop = new AbortController();
  const changes = source.watch!(path(at), stop.signal);
  await change();
  const seen = new Set<string>();
  const collect = async () => {
    for await (const { text } of changes) {
      seen.add(text);
      if (text === last) return;
    }
  };
  try {
    await within(collect());
  } finally {
    stop.abort();
  }
  return seen;
}

Deno.test("disk() reports what is created, changed, renamed and removed", async () => {
  await using tree = await tempTree({ "docs/a.txt": "a", "docs/b.txt": "b", "docs/c.txt": "c", "other.txt": "o" });
  const changes = () => {
    Deno.writeTextFileSync(tree.at("other.txt"), "not in the watched directory");
    Deno.writeTextFileSync(tree.at("docs/new.txt"), "new");
    Deno.writeTextFileSync(tree.at("docs/a.txt"), "changed");
    Deno.renameSync(tree.at("docs/b.txt"), tree.at("docs/ü b.txt"));
    Deno.removeSync(tree.at("docs/c.txt"));
    Deno.writeTextFileSync(tree.at("docs/last"), "");
  };
  const seen = await reported(disk(tree.path), "docs", changes, "/docs/last");
  const names = ["/docs/new.txt", "/docs/a.txt", "/docs/b.txt", "/docs/ü b.txt", "/docs/c.txt"];
  for (const name of names) assert(seen.has(name), `${name} of ${[...seen]}`);
  assert(!seen.has("/other.txt"));
});

Deno.test("a file is reported by its name when an upload is finished, and not while it is written", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const source = disk(tree.path);
  const writer = await source.openWriter!();
  const store = async () => {
    const part = await writer.create(path("new.txt"), "id");
    await part.write(new Uint8Array(10));
    await part.commit({ paths: [path("new.txt")], replace: false });
  };
  const seen = await reported(source, "/", store, "/new.txt");
  assert([...seen].every((text) => text === "/new.txt" || text === "/"), [...seen].join());
});

Deno.test("a tree that is removed or that has just been made is reported", async () => {
  await using tree = await tempTree({ "old/deep/a.txt": "a", "b.txt": "b" });
  const change = () => {
    Deno.removeSync(tree.at("old"), { recursive: true });
    Deno.mkdirSync(tree.at("new/deep"), { recursive: true });
    Deno.writeTextFileSync(tree.at("last"), "");
  };
  const seen = await reported(disk(tree.path), "/", change, "/last");
  assert(seen.has("/old") && seen.has("/new"), [...seen].join());
});

Deno.test("filtered() reports no hidden paths", async () => {
  await using tree = await tempTree({ ".git/config": "x", "a.txt": "a" });
  const change = () => {
    Deno.writeTextFileSync(tree.at(".git/config"), "y");
    Deno.writeTextFileSync(tree.at(".env"), "y");
    Deno.renameSync(tree.at("a.txt"), tree.at(".a.txt"));
    Deno.writeTextFileSync(tree.at("last"), "");
  };
  const source = filtered(disk(tree.path), isVisible);
  assertEquals([...await reported(source, "/", change, "/last")].toSorted(), ["/a.txt", "/last"]);
  assertThrows(() => source.watch!(path(".git"), AbortSignal.abort()), Deno.errors.NotFound);
  for (const derived of [writableIn(source, ["/in"]), readOnly(source)]) assert(derived.watch);
  assert(!memory({}).watch && !filtered(memory({}), isVisible).watch && !union({ "/a": memory({}) }).watch);
});

Deno.test("of a site with programs, no changes of these are reported", async () => {
  await using tree = await tempTree({ "cgi-bin/a.py": "#!", "a.txt": "a" });
  const change = () => {
    Deno.writeTextFileSync(tree.at("cgi-bin/a.py"), "#!/");
    Deno.removeSync(tree.at("cgi-bin/a.py"));
    Deno.writeTextFileSync(tree.at("a.txt"), "changed");
    Deno.writeTextFileSync(tree.at("last"), "");
  };
  const seen = await reported(cgiFeature().contentOf!(disk(tree.path), []), "/", change, "/last");
  assert(seen.has("/a.txt") && ![...seen].some((text) => text.includes("a.py")), [...seen].join());
});

Deno.test({
  name: "nothing is reported of what a link leads to outside of the root",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "root/in/a.txt": "a", "secret/b.txt": "b" });
    await Deno.symlink("../secret", tree.at("root/out"));
    await Deno.symlink("in", tree.at("root/alias"));
    const change = () => {
      Deno.writeTextFileSync(tree.at("secret/b.txt"), "changed");
      Deno.writeTextFileSync(tree.at("secret/new.txt"), "new");
      Deno.writeTextFileSync(tree.at("root/in/a.txt"), "changed");
      Deno.writeTextFileSync(tree.at("root/last"), "");
    };
    const seen = await reported(disk(tree.at("root")), "/", change, "/last");
    assert(seen.has("/in/a.txt") || seen.has("/alias/a.txt"), [...seen].join());
    assert(![...seen].some((text) => text.startsWith("/out")), [...seen].join());
    const open = await reported(disk(tree.at("root"), { followLinks: true }), "/out", change, "/out/new.txt");
    assert(open.has("/out/b.txt"), [...open].join());
    assertThrows(() => disk(tree.at("root")).watch!(path("out"), AbortSignal.abort()), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "nothing is reported of a directory that was moved out of the root, although it is still being watched",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "root/in/a.txt": "a", "outside/": "" });
    const change = () => {
      Deno.renameSync(tree.at("root/in"), tree.at("outside/in"));
      Deno.symlinkSync("../outside/in", tree.at("root/in"));
      Deno.writeTextFileSync(tree.at("outside/in/secret.txt"), "secret");
      Deno.writeTextFileSync(tree.at("root/last"), "");
    };
    const seen = await reported(disk(tree.at("root")), "/", change, "/last");
    assert(![...seen].some((text) => text.startsWith("/in/")), [...seen].join());
  },
});

Deno.test("when another directory takes the place of the root, nothing is reported of what is not in it", async () => {
  await using tree = await tempTree({ "root/old/deep/a.txt": "a", "root/kept/": "" });
  const change = () => {
    Deno.renameSync(tree.at("root"), tree.at("moved"));
    Deno.mkdirSync(tree.at("root/kept"), { recursive: true });
    Deno.writeTextFileSync(tree.at("moved/old/deep/secret.txt"), "secret");
    Deno.writeTextFileSync(tree.at("moved/kept/last"), "");
  };
  const seen = await reported(disk(tree.at("root")), "/", change, "/kept/last");
  assert(![...seen].some((text) => text.startsWith("/old/")), [...seen].join());
});

Deno.test("union() reports the changes of all that is mounted, under the paths there", async () => {
  await using tree = await tempTree({ "site/docs/hidden.txt": "h", "site/a.txt": "a", "docs/b.txt": "b" });
  const source = union({ "/": disk(tree.at("site")), "/docs": disk(tree.at("docs")), "/m": memory({ "c": "c" }) });
  const change = () => {
    Deno.writeTextFileSync(tree.at("site/docs/hidden.txt"), "changed");
    Deno.writeTextFileSync(tree.at("site/a.txt"), "changed");
    Deno.writeTextFileSync(tree.at("docs/last"), "");
  };
  assert(
    (await reported(source, "/docs", change, "/docs/last")).isSubsetOf(new Set(["/docs", "/docs/b.txt", "/docs/last"])),
  );
  const stop = new AbortController();
  const changes = source.watch!(SitePath.root, stop.signal);
  change();
  const seen = new Set<string>();
  const collect = async () => {
    for await (const { text } of changes) {
      seen.add(text);
      if (seen.has("/a.txt") && seen.has("/docs/last")) break; // ends the watches of both
    }
  };
  await within(collect());
  assert(!seen.has("/docs/hidden.txt"), [...seen].join());
  stop.abort();
});

Deno.test("a watch ends with its signal, also before it was read", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  for (const source of [disk(tree.path), union({ "/": disk(tree.path) })]) {
    const stop = new AbortController();
    const ended = Array.fromAsync(source.watch!(SitePath.root, stop.signal));
    stop.abort();
    assertEquals(await within(ended), []);
    assertEquals(await Array.fromAsync(source.watch!(SitePath.root, stop.signal)), []);
    const unread = new AbortController();
    source.watch!(SitePath.root, unread.signal);
    unread.abort(); // or the watcher would be a leak
  }
});

Deno.test("a directory that exists only as the parent of a mount point can be watched, and a failure leaves no watch", async () => {
  await using tree = await tempTree({ "root/": "", "docs/a.txt": "a" });
  const source = union({ "/x/y": disk(tree.at("docs")), "/": disk(tree.at("root")) });
  const seen = await reported(source, "x", () => Deno.writeTextFile(tree.at("docs/new"), ""), "/x/y/new");
  assert(seen.has("/x/y/new"));
  let signal: AbortSignal | undefined;
  const failing = Object.assign(memory({}), {
    watch(): never {
      throw new Deno.errors.PermissionDenied();
    },
  });
  const first = Object.assign(memory({}), {
    watch(_path: SitePath, within: AbortSignal) {
      signal = within;
      return disk(tree.at("docs")).watch!(SitePath.root, within);
    },
  });
  const both = union({ "/a": first, "/b": failing });
  assertThrows(() => both.watch!(SitePath.root, new AbortController().signal), Deno.errors.PermissionDenied);
  assert(signal?.aborted); // or the watcher would be a leak
});

/** The number of directories that this process watches below a path, by their inodes. */
function watchedInodes(): Set<number> {
  const found = new Set<number>();
  for (const { name } of Deno.readDirSync("/proc/self/fdinfo")) {
    try {
      const text = Deno.readTextFileSync(`/proc/self/fdinfo/${name}`);
      for (const [, inode] of text.matchAll(/^inotify wd:\S+ ino:([0-9a-f]+)/gm)) found.add(parseInt(inode!, 16));
    } catch {
      // closed in the meantime
    }
  }
  return found;
}

Deno.test({
  name: "a directory that is skipped takes no watch; new ones are watched, however many, with what is already in them",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using tree = await tempTree({ "a/b/c.txt": "c", "skip/deep/x.txt": "x", "a/skip/x.txt": "x" });
    const stop = new AbortController();
    const source = disk(tree.path);
    const changes = source.watch!(SitePath.root, stop.signal, ({ segments }) => segments.includes("skip"));
    const inode = (name: string) => Deno.statSync(tree.at(name)).ino!;
    const inodes = watchedInodes();
    assertEquals(["a", "a/b", "skip", "skip/deep", "a/skip"].map((name) => inodes.has(inode(name))), [
      ...[true, true, false, false, false],
    ]);
    const seen = new Set<string>();
    const collect = (async () => {
      for await (const { text } of changes) seen.add(text);
    })();
    for (let at = 0; at < 20; at++) {
      Deno.mkdirSync(tree.at(`new${at}/below`), { recursive: true });
      Deno.writeTextFileSync(tree.at(`new${at}/below/first.txt`), "1");
      await until(() => seen.has(`/new${at}/below/first.txt`), `new${at}`);
      Deno.writeTextFileSync(tree.at(`new${at}/below/second.txt`), "2");
      await until(() => seen.has(`/new${at}/below/second.txt`), `second of new${at}`);
    }
    Deno.renameSync(tree.at("new0"), tree.at("moved"));
    await until(() => seen.has("/moved"));
    Deno.writeTextFileSync(tree.at("moved/below/third.txt"), "3");
    await until(() => seen.has("/moved/below/third.txt"));
    Deno.writeTextFileSync(tree.at("a/b/c.txt"), "changed");
    await until(() => seen.has("/a/b/c.txt"));
    stop.abort();
    await collect;
    assert(![...seen].some((path) => path.includes("/skip/")), [...seen].join());
    await until(() => !watchedInodes().has(inode("a/b")), "the system has forgotten the watch");
  },
});
