/** Files that the system does not let the server read. Root may read everything, so tests run by root start the server as another user. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path/basename";
import { join } from "@std/path/join";
import { startProcess } from "../support/command.ts";
import { CLI, ROOT } from "../support/paths.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const NOBODY = 65534;
const POSIX = Deno.build.os !== "windows";

Deno.test({
  name: "what may not be read is 403 to GET and to HEAD, and marked in the listing",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a", "d/x": "x", "d/link/": "", "ok.txt": "ok" });
    await Deno.chmod(tree.path, 0o755);
    await Deno.chmod(tree.at("a.txt"), 0);
    await Deno.symlink("d/x", tree.at("to-x"));
    await Deno.chmod(tree.at("d"), 0);
    await using runner = await unprivileged();
    await using server = await runner.start(tree.path);
    for (
      const [method, target, status] of [
        ["GET", "/ok.txt", 200],
        ["GET", "/a.txt", 403],
        ["HEAD", "/a.txt", 403],
        ["GET", "/d/", 403],
        ["GET", "/d/x", 403],
        ["GET", "/to-x", 403],
      ] as const
    ) {
      assertEquals((await ask(server.port, method, target)).status, status, `${method} ${target}`);
    }
    const { entries } = JSON.parse((await ask(server.port, "GET", "/?format=json")).text);
    const link = entries.find((entry: { name: string }) => entry.name === "to-x");
    assertEquals([link.href, link.problem], [null, "not readable"]);
    await server.untilStderr('"GET /to-x HTTP/1.1" 403');
    assertStringIncludes(server.stderr(), "code 403, message Permission denied");
    await Deno.chmod(tree.at("d"), 0o700);
  },
});

Deno.test({
  name: "uploads into a directory that cannot be written are refused at the start",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "sub/": "" });
    await Deno.chmod(tree.at("sub"), 0o555);
    await Deno.chmod(tree.path, 0o555);
    await using runner = await unprivileged();
    await assertRejects(
      () => runner.start(tree.path, "--upload"),
      Error,
      `Cannot take uploads: "${tree.path}" cannot be written: permission denied`,
    );
    await Deno.chmod(tree.at("sub"), 0o777);
    await using server = await runner.start(tree.path, "--upload"); // one directory in it is enough
    assertEquals((await ask(server.port, "PUT", "/sub/a.txt")).status, 201);
    // Also what a listing does not show: the file that was written to find out is gone.
    assertEquals([...Deno.readDirSync(tree.at("sub"))].map(({ name }) => name), ["a.txt"]);
    await Deno.chmod(tree.path, 0o755);
  },
});

/** What starts the command as a user that may not read everything. */
async function unprivileged() {
  const isRoot = Deno.uid() === 0;
  const copy = await tempTree();
  const [deno, cli] = isRoot ? await copyForNobody(copy.path) : [Deno.execPath(), CLI];
  const env = { DENO_DIR: copy.path, HOME: copy.path };
  return {
    start(directory: string, ...args: readonly string[]) {
      return startProcess(deno, ["run", "-A", "--no-lock", cli, directory, "0", "-b", "127.0.0.1", ...args], {
        cwd: directory,
        ...(isRoot && { uid: NOBODY, env }),
      });
    },
    [Symbol.asyncDispose]: () => copy[Symbol.asyncDispose](),
  };
}

/** Runtime, checkout and packages in a place that every user can read: root's may be where only root can. */
async function copyForNobody(path: string): Promise<[deno: string, cli: string]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  const parts = ["cli.ts", "mod.ts", "deno.json", "cli", "handlers", "links"].map((name) => join(ROOT, name));
  for (
    const args of [["cp", "-r", Deno.execPath(), `${denoDir}/npm`, ...parts, path], ["chmod", "-R", "a+rwX", path]]
  ) {
    const { code } = await new Deno.Command(args[0]!, { args: args.slice(1) }).output();
    assertEquals(code, 0, args.join(" "));
  }
  return [join(path, basename(Deno.execPath())), join(path, "cli.ts")];
}
