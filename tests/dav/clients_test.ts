/** Real WebDAV clients against the command. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { LITMUS_GROUPS, passesLitmus } from "../support/litmus.ts";
import { missing } from "../support/programs.ts";
import { treeOf } from "../store/support.ts";
import { tempTree } from "../support/tree.ts";

const ENGINES: readonly (readonly string[])[] = [[], ["-p", "HTTP/1.0"], ["--engine", "native"]];

for (const engine of ENGINES) {
  Deno.test({
    name: `litmus passes all of its tests: ${engine.join(" ") || "Deno.serve"}`,
    ignore: missing("litmus"),
    async fn() {
      await using tree = await tempTree({ "site/": "", "work/": "" });
      await using server = await start(["--dav", "--all", "-d", tree.at("site"), ...engine]);
      // HTTP/1.0 has no 100 (Continue), which the group http demands.
      const groups = LITMUS_GROUPS.filter((group) => group !== "http" || !engine.includes("HTTP/1.0"));
      await passesLitmus(server.port, groups, tree.at("work"));
    },
  });
}

Deno.test({
  name: "rclone copies, checks, syncs and moves, with dates",
  ignore: missing("rclone"),
  async fn() {
    await using tree = await tempTree({
      "site/": "",
      "from/a.txt": "a",
      "from/ä b#%&+.txt": "b",
      "from/deep/er/c.bin": new Uint8Array(300_000),
      "from/empty.txt": "",
    });
    await Deno.utime(tree.at("from/a.txt"), 981_173_106, 981_173_106);
    await using server = await start(["--dav", "--all", "-d", tree.at("site")]);
    const rclone = async (...args: string[]) => {
      const { success, stderr, stdout } = await new Deno.Command("rclone", {
        args: ["--webdav-url", `http://127.0.0.1:${server.port}/`, "--webdav-vendor", "owncloud", ...args],
        env: { RCLONE_CONFIG: "/dev/null", HOME: tree.path },
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    await rclone("copy", tree.at("from"), ":webdav:to");
    await rclone("check", "--download", tree.at("from"), ":webdav:to");
    assertEquals((await Deno.stat(tree.at("site/to/a.txt"))).mtime?.getTime(), 981_173_106_000);
    await Deno.remove(tree.at("from/empty.txt"));
    await Deno.writeTextFile(tree.at("from/a.txt"), "changed");
    await rclone("sync", tree.at("from"), ":webdav:to");
    assertEquals(treeOf(tree.at("site/to")), treeOf(tree.at("from")));
    await rclone("moveto", ":webdav:to/deep", ":webdav:to/moved");
    assertEquals(Object.keys(treeOf(tree.at("site/to/moved"))), ["er", "er/c.bin"]);
    assertEquals((await rclone("lsf", "-R", ":webdav:to")).split("\n").sort(), [
      "",
      "a.txt",
      "moved/",
      "moved/er/",
      "moved/er/c.bin",
      "ä b#%&+.txt",
    ]);
    await rclone("purge", ":webdav:to");
    assertEquals(treeOf(tree.at("site")), {});
  },
});

Deno.test({
  name: "cadaver makes, stores, renames, locks, sets properties and deletes",
  ignore: missing("cadaver"),
  async fn() {
    await using tree = await tempTree({ "site/": "", "a.txt": "hello" });
    await using server = await start(["--dav", "--all", "-d", tree.at("site")]);
    const commands = [
      "mkcol d",
      "cd d",
      `put ${tree.at("a.txt")} b.txt`,
      "lock b.txt",
      "propset b.txt colour red",
      "unlock b.txt",
      "move b.txt c.txt",
      "copy c.txt e.txt",
      "propget c.txt colour",
      `get c.txt ${tree.at("back.txt")}`,
      "delete e.txt",
      "quit",
    ];
    const cadaver = new Deno.Command("cadaver", {
      args: [`http://127.0.0.1:${server.port}/`],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env: { HOME: tree.path },
    }).spawn();
    const output = cadaver.output();
    const writer = cadaver.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${commands.join("\n")}\n`));
    await writer.close();
    const report = new TextDecoder().decode((await output).stdout);
    assertEquals(treeOf(tree.at("site")), { d: null, "d/c.txt": "hello" }, report);
    assertEquals(await Deno.readTextFile(tree.at("back.txt")), "hello", report);
    assert(/red/.test(report) && !/failed/i.test(report), report);
  },
});
