/** However the command ends, no program that it has started keeps running. */

import { assertEquals } from "@std/assert";
import { startProcess } from "../../support/command.ts";
import { CLI } from "../../support/paths.ts";
import { tempTree } from "../../support/tree.ts";
import { type CgiSite, cgiSite } from "./support.ts";
import { isRunning, until } from "../../support/wait.ts";

const ignore = Deno.build.os !== "linux";

const TYPE = "printf 'Content-Type: text/plain\\n\\n'";
const NOTE = "echo $$ >> pids";

/** Programs in every state that a program can be in, each with a child process. */
const PROGRAMS: Readonly<Record<string, string>> = {
  silent: `sleep 600 & echo $! >> pids; ${NOTE}; wait`,
  streams: `${NOTE}; ${TYPE}; while :; do echo x; sleep 0.05; done`,
  lingers: `${TYPE}; ${NOTE}; exec >&- 2>&-; sleep 600`,
  stubborn: `trap '' HUP INT TERM; ${NOTE}; sleep 600`,
  endless: `${NOTE}; ${TYPE}; exec yes`,
};

const NOTED = 6;

async function pidsOf({ tree }: CgiSite): Promise<number[]> {
  const text = await Deno.readTextFile(tree.at("cgi-bin/pids")).catch(() => "");
  return text.trim().split("\n").filter(Boolean).map(Number);
}

/** Requests all of them, one with half of a body. */
async function visit({ port }: CgiSite): Promise<Disposable> {
  const connections = new DisposableStack();
  const requests = Object.keys(PROGRAMS).map((name) => `${name === "endless" ? "HEAD" : "GET"} /cgi-bin/${name}`);
  for (const request of [...requests, "POST /cgi-bin/silent"]) {
    const connection = connections.use(await Deno.connect({ hostname: "127.0.0.1", port }));
    const body = request.startsWith("POST") ? "Content-Length: 100\r\n\r\nhalf" : "\r\n";
    await connection.write(new TextEncoder().encode(`${request} HTTP/1.1\r\nHost: localhost\r\n${body}`));
  }
  return connections;
}

const ENDS: readonly (readonly [signals: Deno.Signal[], status: number])[] = [
  [["SIGINT"], 0],
  [["SIGINT", "SIGINT"], 0],
  [["SIGTERM", "SIGTERM"], 143],
  [["SIGTERM", "SIGINT"], 130],
  [["SIGHUP"], 129],
];

for (const workers of [[], ["--workers=2"]]) {
  for (const [signals, status] of ENDS) {
    Deno.test({
      name: `${["--cgi", ...workers].join(" ")} ends all programs at ${signals.join(", ")}: status ${status}`,
      ignore,
      async fn() {
        const files = Object.fromEntries(
          Object.entries(PROGRAMS).map(([name, script]) => [`cgi-bin/${name}`, `#!/bin/sh\n${script}\n`]),
        );
        await using site = await cgiSite(files, ["--cgi", "--cgi-linger=600", ...workers]);
        using _clients = await visit(site);
        await until(async () => (await pidsOf(site)).length === NOTED, "all of them run");
        const { process } = site.command;
        if (signals.length > 1) {
          process.kill(signals[0]!);
          await new Promise((resolve) => setTimeout(resolve, 50)); // two at once could arrive as one
        }
        assertEquals(await site.command.stop(signals.at(-1)!), status);
        assertEquals((await pidsOf(site)).filter(isRunning), []);
      },
    });
  }
}

Deno.test({
  name: "under nohup the end of the terminal ends nothing",
  ignore,
  async fn() {
    await using tree = await tempTree({ "a.txt": "content" });
    const words = [Deno.execPath(), "run", "-A", "--no-lock", CLI, tree.path, "-b", "127.0.0.1", "0"];
    await using command = await startProcess("nohup", words);
    command.process.kill("SIGHUP");
    const response = await fetch(`http://127.0.0.1:${command.port}/a.txt`);
    assertEquals(await response.text(), "content");
    assertEquals(await command.stop("SIGINT"), 0);
  },
});
