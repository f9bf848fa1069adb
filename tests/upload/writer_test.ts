/** Writing on disk: never through a link out of the root, whatever is replaced meanwhile, and with minimal permissions. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { disk, filtered, type SitePath, SitePath as Path } from "@x/pyserve";
import { isVisible, writableIn, WriteRefused } from "@x/pyserve/sources";
import { DiskRoot } from "../../handlers/sources/contained.ts";
import { Place } from "../../handlers/sources/place.ts";
import { publishFile } from "../../handlers/sources/publish.ts";
import { runCommand, start } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";
import { namesBelow, send, skipped } from "../support/upload.ts";

const pathOf = (text: string): SitePath =>
  text.split("/").reduce<SitePath>((path, name) => path.child(name)!, Path.root);

/** On Windows only administrators may create links, and there are no modes. */
const unixOnly = { ignore: Deno.build.os === "windows" };

Deno.test(
  "no upload goes through a link: one in its place is replaced, one that leaves the root is refused",
  unixOnly,
  async (t) => {
    await using outside = await tempTree({ "a.txt": "outside", "dir/": "" });
    await using tree = await tempTree({ "a.txt": "a", "dir/": "" });
    await Deno.symlink(outside.at("a.txt"), tree.at("to-file"));
    await Deno.symlink(outside.at("none.txt"), tree.at("dangling"));
    await Deno.symlink(outside.at("dir"), tree.at("out"));
    await Deno.symlink("dir", tree.at("in"));
    await Deno.symlink(tree.at("a.txt"), tree.at("to-a"));
    await using command = await start([tree.path, "--all"]);
    const rows: readonly [method: string, target: string, status: number][] = [
      ["PUT", "/to-file", 409],
      ["PUT", "/dangling", 409],
      ["PUT", "/out/x", 409],
      ["PUT", "/out/new/x", 409],
      ["PUT", "/out/x?upload=12345678", 409],
      ["MKCOL", "/out/x", 409],
      ["DELETE", "/out/dir", 404],
      ["PUT", "/in/x", 201],
      ["PUT", "/to-file?on-conflict=overwrite", 204],
      ["PUT", "/dangling?on-conflict=overwrite", 204],
      ["PUT", "/to-a?on-conflict=overwrite", 204],
      ["PUT", "/out?on-conflict=overwrite", 409],
      ["PUT", "/in?on-conflict=overwrite", 409],
    ];
    for (const [method, target, status] of rows) {
      await t.step(`${method} ${target}: ${status}`, async () => {
        const body = method === "PUT" ? "new" : "";
        assertEquals((await send(command.port, method, target, { body })).status, status);
      });
    }
    assertEquals(await namesBelow(outside.path), ["a.txt", "dir/"]);
    assertEquals(await Deno.readTextFile(outside.at("a.txt")), "outside");
    assertEquals(await Deno.readTextFile(tree.at("a.txt")), "a");
    assertEquals(await Deno.readTextFile(tree.at("dir/x")), "new");
    for (const name of ["to-file", "dangling", "to-a"]) assert(!(await Deno.lstat(tree.at(name))).isSymlink);
  },
);

/** Replaces a directory by a link to another and back, until it is stopped. */
async function exchanging(directory: string, other: string, isOver: () => boolean): Promise<number> {
  let count = 0;
  // Meanwhile an upload may have created it again: remove that one.
  const insteadOfUploads = async (step: () => Promise<void>) => {
    while (!await step().then(() => true, () => false)) {
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    }
  };
  for (; !isOver(); count++) {
    await Deno.rename(directory, `${directory}-away`);
    await insteadOfUploads(() => Deno.symlink(other, directory));
    await Deno.remove(directory);
    await insteadOfUploads(() => Deno.rename(`${directory}-away`, directory));
  }
  return count;
}

for (const permissions of ["all permissions", "few permissions"]) {
  Deno.test(
    `nothing is written outside while a directory is exchanged for a link, with ${permissions}`,
    unixOnly,
    async () => {
      await using outside = await tempTree({ "keep.txt": "keep" });
      await using tree = await tempTree({ "dir/keep.txt": "inside" });
      const flags = [`--allow-read=${tree.path},${outside.path}`, `--allow-write=${tree.path},${outside.path}`];
      const few = { run: ["--no-prompt", ...flags, "--allow-net=127.0.0.1", CLI] };
      await using command = await start([tree.path, "--all"], permissions === "few permissions" ? few : {});
      let isOver = false;
      const exchanges = exchanging(tree.at("dir"), outside.path, () => isOver);
      const statuses = new Set<number>();
      for (let i = 0; i < 150; i++) {
        const methods = [["PUT", `/dir/${i}`], ["MKCOL", `/dir/d${i}`], ["DELETE", "/dir/keep.txt"]] as const;
        const answers = methods.map(([method, target]) =>
          send(command.port, method, target, { body: method === "PUT" ? "x" : "" })
        );
        for (const { status } of await Promise.all(answers)) statuses.add(status);
      }
      isOver = true;
      assert(await exchanges > 0);
      assert(statuses.has(201));
      for (const status of statuses) assert([201, 204, 404, 405, 409].includes(status), String(status));
      const names = await namesBelow(outside.path);
      if (permissions === "all permissions") return assertEquals(names, ["keep.txt"]);
      // Without descriptors an empty part or directory may escape between two checks, but never content.
      for (const name of names.filter((each) => each !== "keep.txt" && !each.endsWith("/"))) {
        assert(name.endsWith(".part") && (await Deno.stat(outside.at(name))).size === 0, name);
      }
    },
  );
}

Deno.test("with the permission to read and write the directory all methods work; without it nothing starts", async () => {
  await using tree = await tempTree({ "old.txt": "old" });
  const permitted = (...flags: string[]) => ({ run: ["--no-prompt", ...flags, "--allow-net=127.0.0.1", CLI] });
  {
    const flags = permitted(`--allow-read=${tree.path}`, `--allow-write=${tree.path}`);
    await using command = await start([tree.path, "--all"], flags);
    const rows = [
      ["PUT", "/new/a.txt", 201],
      ["PUT", "/new/a.txt", 409],
      ["PUT", "/new/a.txt?on-conflict=rename", 201],
      ["PUT", "/old.txt?on-conflict=overwrite", 204],
      ["MKCOL", "/d", 201],
      ["MOVE", "/new/a.txt", 201],
      ["DELETE", "/new?recursive", 204],
    ] as const;
    for (const [method, target, status] of rows) {
      const body = method === "PUT" ? "new" : "";
      const response = await send(command.port, method, target, { body, headers: [["Destination", "/d/b.txt"]] });
      assertEquals([target, response.status], [target, status]);
    }
    assertEquals(await namesBelow(tree.path), ["d/", "d/b.txt", "old.txt"]);
  }
  const refused = await runCommand(
    [tree.path, "0", "-b", "127.0.0.1", "--all"],
    permitted(`--allow-read=${tree.path}`),
  );
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, `writing to "${tree.path}" is not permitted (--allow-write)`);
});

Deno.test("several processes that serve one directory do not get in each other's way", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await tempTree();
  await using command = await start([tree.path, "--all", "--workers=2"]);
  const bodies = Array.from({ length: 12 }, () => noise(100_000));
  const answers = await Promise.all(bodies.map((body) => send(command.port, "PUT", "/one.bin", { body })));
  assertEquals(answers.map(({ status }) => status).sort(), [201, ...Array(11).fill(409)]);
  const [, first] = await Promise.all([
    send(command.port, "PATCH", "/two.bin?upload=12345678", { body: "abc", headers: [["Upload-Offset", "0"]] }),
    ask(command.port, "GET", "/one.bin"),
  ]);
  assertEquals(first.body.length, 100_000);
  for (let i = 0; i < 8; i++) {
    const { headers } = await ask(command.port, "HEAD", "/two.bin?upload=12345678");
    assertEquals(headers.get("upload-offset"), "3");
  }
});

Deno.test("a file that replaces another is as private as that one, and no program", unixOnly, async () => {
  await using tree = await tempTree({ "private": "", "program": "" });
  await Deno.chmod(tree.at("private"), 0o600);
  await Deno.chmod(tree.at("program"), 0o755);
  await using command = await start([tree.path, "--all", "--on-conflict", "overwrite"]);
  for (const name of ["private", "program"]) {
    assertEquals((await send(command.port, "PUT", `/${name}`, { body: "new" })).status, 204);
  }
  const modes = ["private", "program"].map((name) => Deno.statSync(tree.at(name)).mode! & 0o777);
  assertEquals(modes, [0o600, 0o644]);
});

Deno.test(
  "without hard links, an empty file reserves the name until the complete one replaces it",
  unixOnly,
  async () => {
    await using tree = await tempTree({ "links/": "", "new.bin": "whole", "taken.bin": "taken" });
    let count = 0;
    try {
      for (; count < 70_000; count++) Deno.linkSync(tree.at("new.bin"), tree.at(`links/${count}`));
    } catch {
      // That was the last link that the file system allows.
    }
    if (count === 70_000) return skipped("this file system allows any number of links");
    using place = new Place(new DiskRoot(tree.path, { followLinks: false }).findNow(Path.root)!);
    const options = { paths: [pathOf("taken.bin"), pathOf("free.bin")], replace: false };
    using found = place.find("new.bin");
    const file = { path: tree.at("new.bin"), found, isNew: false };
    const { path, replaced } = await place.alone(() => publishFile(place, file, options));
    assertEquals([path.name, replaced], ["free.bin", false]);
    assertEquals(await Deno.readTextFile(tree.at("free.bin")), "whole");
    assertEquals(await Deno.readTextFile(tree.at("taken.bin")), "taken");
    assertEquals((await namesBelow(tree.path)).includes("new.bin"), false);
  },
);

Deno.test("a directory that is removed during a write causes a refusal, and is not created again", async () => {
  await using tree = await tempTree({ "dir/": "" });
  const writer = await disk(tree.path).openWriter!();
  const part = await writer.create(pathOf("dir/a.txt"), "id");
  await part.write(new TextEncoder().encode("a"));
  await writer.remove(pathOf("dir")); // it looks empty, so it may be removed
  await assertRejects(() => part.commit({ paths: [pathOf("dir/a.txt")], replace: false }), Deno.errors.NotFound);
  await part.discard();
  assertEquals(await namesBelow(tree.path), []);
});

Deno.test("a source writable in one directory is not writable in others with the same prefix", unixOnly, async () => {
  await using tree = await tempTree({ "in/a/": "", "in-other/b.txt": "b", "into.txt": "c" });
  await Deno.symlink("../in-other", tree.at("in/link"));
  await Deno.symlink("a", tree.at("in/inside"));
  const writer = await writableIn(disk(tree.path), ["/in"]).openWriter!();
  for (const path of ["in-other/x", "in/link/x", "in/link/new/x", "into.txt", "x"]) {
    const refused = await assertRejects(() => writer.create(pathOf(path), "id"), WriteRefused);
    assertEquals((refused as WriteRefused).problem, "not here", path);
  }
  await assertRejects(() => writer.remove(pathOf("in/link/b.txt")), WriteRefused);
  for (const path of ["in/x", "in/a/x", "in/inside/x", "in/new/x"]) {
    await (await writer.create(pathOf(path), "id")).discard();
  }
  assertEquals(await namesBelow(tree.at("in-other")), ["b.txt"]);
});

Deno.test("an upload is flushed before it gets its name, and the name before the response", unixOnly, async () => {
  const { linkSync, renameSync, FsFile: { prototype } } = Deno;
  const { sync } = prototype;
  let events: string[] = [];
  prototype.sync = function (this: Deno.FsFile) {
    const { isDirectory, size } = this.statSync();
    events.push(isDirectory ? "directory synced" : `${size} bytes synced`);
    return sync.call(this);
  };
  Deno.linkSync = (...names) => (events.push("named"), linkSync(...names));
  Deno.renameSync = (...names) => (events.push("named"), renameSync(...names));
  try {
    await using tree = await tempTree();
    const writer = await disk(tree.path).openWriter!();
    for (const replace of [false, true]) {
      const part = await writer.create(pathOf("a.txt"), "id");
      await part.write(new Uint8Array(1_000));
      events = [];
      await part.commit({ paths: [pathOf("a.txt")], replace });
      assertEquals(events, ["1000 bytes synced", "named", "directory synced"]);
    }
    const kept = await writer.create(pathOf("b.txt"), "id");
    await kept.write(new Uint8Array(10));
    events = [];
    await kept.keep();
    assertEquals(events, ["10 bytes synced"]);
  } finally {
    prototype.sync = sync;
    Object.assign(Deno, { linkSync, renameSync });
  }
});

Deno.test(
  "neither a half-written record of a killed process nor a link is an obstacle",
  unixOnly,
  async () => {
    await using tree = await tempTree({ "root/": "", "outside.txt": "outside" });
    const writer = await disk(tree.at("root")).openWriter!();
    const part = await writer.create(pathOf("a.txt"), "id");
    await part.note("first");
    const next = [...Deno.readDirSync(tree.at("root"))].map(({ name }) => name).find((name) =>
      name.endsWith(".upload")
    )!
      .replace(/upload$/, "next");
    for (
      const [notes, leave] of [
        ["second", () => Deno.writeTextFileSync(tree.at(`root/${next}`), "{")],
        ["third", () => Deno.symlinkSync("../outside.txt", tree.at(`root/${next}`))],
      ] as const
    ) {
      leave();
      await part.note(notes);
      assertEquals(await writer.recall(pathOf("a.txt"), "id"), { notes, finished: null });
    }
    assertEquals(await Deno.readTextFile(tree.at("outside.txt")), "outside");
    await part.discard();
    assertEquals(await namesBelow(tree.at("root")), []);
  },
);

Deno.test("a part is written by one process at a time, and not swept meanwhile", async () => {
  await using tree = await tempTree();
  const writer = await disk(tree.path).openWriter!();
  const part = await writer.create(pathOf("a.txt"), "id");
  assertEquals(await writer.sweep(-1_000), 0);
  const refused = await assertRejects(() => writer.resume(pathOf("a.txt"), "id"), WriteRefused);
  assertEquals((refused as WriteRefused).problem, "busy");
  await part.keep();
  assertEquals(await writer.progress(pathOf("a.txt"), "id"), 0);
  assertEquals(await writer.sweep(-1_000), 1);
  assertEquals(await writer.resume(pathOf("a.txt"), "id"), null);
});

Deno.test("entries hidden by a filtered source cannot be written, moved or removed", async () => {
  await using tree = await tempTree({ ".env": "secret", "a.txt": "a" });
  const writer = await filtered(disk(tree.path), isVisible).openWriter!();
  const [hidden, shown] = [pathOf(".env"), pathOf("a.txt")];
  const attempts = [
    () => writer.create(hidden, "id"),
    () => writer.resume(hidden, "id"),
    () => writer.progress(hidden, "id"),
    () => writer.makeDirectory(pathOf(".git")),
    () => writer.remove(hidden),
    () => writer.move(hidden, { paths: [shown], replace: true }),
    () => writer.move(shown, { paths: [hidden], replace: true }),
  ];
  for (const attempt of attempts) {
    const refused = await assertRejects<Error>(attempt, WriteRefused);
    assertEquals((refused as WriteRefused).problem, "hidden");
  }
  const part = await writer.create(shown, "id");
  await assertRejects(() => part.commit({ paths: [hidden], replace: true }), WriteRefused);
  await part.discard();
  assertEquals(await namesBelow(tree.path), [".env", "a.txt"]);
});
