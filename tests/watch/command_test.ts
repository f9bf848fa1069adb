/** `--watch` as a process: what it takes from the system, and what it does where the system refuses. */

import { unless } from "../support/programs.ts";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CLI } from "../support/paths.ts";
import { type RunningCommand, start, startProcess } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

/** Whether the limit on watches can be lowered, in a namespace of the process's own. */
function canLimit(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const args = ["-Ur", "sh", "-c", "echo 3 > /proc/sys/user/max_inotify_watches"];
    return new Deno.Command("unshare", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Reads a stream with curl until it contains a text. */
async function heard(server: RunningCommand, target: string, change: () => void, text: string): Promise<string> {
  const args = ["-sN", `http://127.0.0.1:${server.port}${target}`];
  await using curl = new Deno.Command("curl", { args, stdout: "piped", stderr: "null" }).spawn();
  let output = "";
  for await (const chunk of curl.stdout.pipeThrough(new TextDecoderStream())) {
    if (output === "") change();
    output += chunk;
    if (output.includes(text)) break;
  }
  return output;
}

/** The number of directories that a process watches; the runtime keeps the descriptor itself open. */
function watches(pid: number): number {
  let count = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fdinfo`)) {
    try {
      count += Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`).match(/^inotify wd:/gm)?.length ?? 0;
    } catch {
      // closed in the meantime
    }
  }
  return count;
}

Deno.test({
  name: "curl reads changes; the watch begins with the first client, and ends after the last has left",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using tree = await tempTree({ "a.txt": "a", "b/c.txt": "c", "node_modules/c/d.txt": "d" });
    await using server = await start([tree.path, "--quiet", "--watch", "--watch-ignore", "*.log"]);
    assertEquals(watches(server.process.pid), 0);
    const change = () => {
      Deno.writeTextFileSync(tree.at("a.log"), "ignored");
      Deno.writeTextFileSync(tree.at("a.txt"), "hello");
    };
    const output = await heard(server, "/?watch", change, "/a.txt");
    assertMatch(
      output,
      /^\{"type":"watching","path":"\/"\}\n\{"type":"changed","path":"\/a.txt","kind":"file","size":5,/,
    );
    assertEquals(watches(server.process.pid), 2);
    await until(() => watches(server.process.pid) === 0, "the watch ended");
    assertEquals(server.stderr(), "");
  },
});

Deno.test({
  name: "where the system allows too few watches, the log says so, and changes are found nevertheless",
  ignore: unless(canLimit(), "no user namespace can be made in which watches are limited"),
  async fn() {
    await using tree = await tempTree({ "a/1.txt": "1", "b/1.txt": "1", "c/1.txt": "1", "d/1.txt": "1" });
    await using server = await startProcess("unshare", [
      ...["-Ur", "sh", "-c", 'echo 3 > /proc/sys/user/max_inotify_watches; exec "$0" "$@"'],
      ...[Deno.execPath(), "run", "--no-lock", "-A", CLI, tree.path, "--quiet", "--watch", "-b", "127.0.0.1", "0"],
    ]);
    await heard(server, "/?watch", () => Deno.writeTextFileSync(tree.at("d/2.txt"), "2"), "/d/2.txt");
    assertMatch(
      server.stderr(),
      /^pyserve: Cannot watch all directories: the system's limit on watches is reached; looking for changes every 1 s/,
    );
    assert(!server.stderr().includes(tree.path));
  },
});
