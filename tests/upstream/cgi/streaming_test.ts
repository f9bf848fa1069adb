/** Streamed responses, programs that end with their clients, and many at once. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ask, raw } from "../../support/raw.ts";
import { type CgiSite, cgiSite } from "./support.ts";
import { isRunning, until } from "../../support/wait.ts";

const ignore = Deno.build.os === "windows";

/** Writes its pid and that of a child into pids, answers a line, and then is silent. */
const SILENT = `#!/bin/sh
sleep 600 &
echo "$$ $!" > pids.new; mv pids.new pids
if [ "$QUERY_STRING" != early ]; then printf 'Content-Type: text/plain\\n\\nfirst\\n'; fi
wait
`;

async function pidsOf(site: CgiSite): Promise<number[]> {
  const file = site.tree.at("cgi-bin/pids");
  await until(() => Deno.stat(file).then(() => true, () => false), "the program starts");
  return (await Deno.readTextFile(file)).trim().split(" ").map(Number);
}

function untilGone(pids: readonly number[]): Promise<void> {
  return until(() => !pids.some(isRunning), `the processes ${pids.join(" and ")} are gone`);
}

Deno.test({
  name: "each line arrives when it is written",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/lines.sh": `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
for i in 1 2 3; do
  echo "line $i"
  while [ ! -e "seen$i" ]; do sleep 0.01; done
done
`,
    });
    const response = await fetch(`${site.base}/cgi-bin/lines.sh`);
    const lines = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const i of [1, 2, 3]) {
      assertEquals((await lines.read()).value, `line ${i}\n`); // the program waits until we have it
      await Deno.writeTextFile(site.tree.at(`cgi-bin/seen${i}`), "");
    }
    assertEquals((await lines.read()).done, true);
  },
});

for (const [when, query] of [["before it answers", "early"], ["while it is silent after a line", "late"]] as const) {
  Deno.test({
    name: `a program and its children end when the client disconnects ${when}`,
    ignore,
    async fn() {
      await using site = await cgiSite({ "cgi-bin/silent.sh": SILENT });
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
      await connection.write(
        new TextEncoder().encode(`GET /cgi-bin/silent.sh?${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
      );
      const pids = await pidsOf(site);
      assert(pids.every(isRunning));
      if (query === "late") await connection.read(new Uint8Array(1000));
      connection.close();
      await untilGone(pids);
      assertEquals(await (await fetch(`${site.base}/cgi-bin/pids`)).body?.cancel(), undefined);
    },
  });
}

for (const [signal, code] of [["SIGINT", 0], ["SIGTERM", 0]] as const) {
  Deno.test({
    name: `no program outlives the server that ${signal} ends`,
    ignore,
    async fn() {
      await using site = await cgiSite({ "cgi-bin/silent.sh": SILENT });
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
      await connection.write(new TextEncoder().encode("GET /cgi-bin/silent.sh HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      const pids = await pidsOf(site);
      const stopped = site.command.stop(signal);
      if (signal === "SIGTERM") connection.close(); // programs with a client may finish first
      assertEquals(await stopped, code);
      await untilGone(pids);
      if (signal !== "SIGTERM") connection.close();
    },
  });
}

Deno.test({
  name: "a program that ignores SIGTERM is killed",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/silent.sh": SILENT.replace("#!/bin/sh\n", "#!/bin/sh\ntrap '' TERM\n").replace(
        "wait",
        "while :; do wait; done",
      ),
    });
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
    await connection.write(new TextEncoder().encode("GET /cgi-bin/silent.sh HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    const pids = await pidsOf(site);
    await connection.read(new Uint8Array(1000));
    connection.close();
    await untilGone(pids);
  },
});

Deno.test({
  name: "a background process does not delay the response, and keeps running",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/daemon.sh": `#!/bin/sh
printf 'Content-Type: text/plain\\n\\nanswered\\n'
sleep 600 &
echo $! > pid.new; mv pid.new pids
`,
    });
    assertEquals(await (await fetch(`${site.base}/cgi-bin/daemon.sh`)).text(), "answered\n");
    const [pid] = await pidsOf(site);
    assert(isRunning(pid!));
    Deno.kill(pid!, "SIGKILL");
  },
});

Deno.test({
  name: "of 200 requests at once no more than --cgi-max run together, and all are answered",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/count.sh": `#!/bin/sh
mkdir "running/$$"
ls running | wc -l > "seen/$$"
printf 'Content-Type: text/plain\\n\\nok\\n'
rmdir "running/$$"
`,
      "cgi-bin/running/": "",
      "cgi-bin/seen/": "",
    }, ["--cgi", "--cgi-max=5"]);
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => await (await fetch(`${site.base}/cgi-bin/count.sh`)).text()),
    );
    assertEquals(new Set(answers), new Set(["ok\n"]));
    const seen = [...Deno.readDirSync(site.tree.at("cgi-bin/seen"))].map(({ name }) =>
      Number(Deno.readTextFileSync(site.tree.at(`cgi-bin/seen/${name}`)))
    );
    assertEquals(seen.length, 200);
    assert(Math.max(...seen) <= 5, `${Math.max(...seen)} ran at once`);
  },
});

/** The most memory a process has had, in MiB. */
function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

Deno.test({
  name: "200 MB in and out do not grow the memory of the server",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/echo.sh": "#!/bin/sh\nprintf 'Content-Type: application/octet-stream\\n\\n'\nexec cat\n",
    });
    await (await fetch(`${site.base}/cgi-bin/echo.sh`, { method: "POST", body: "warm" })).text();
    const before = peakMemory(site.command.process.pid);
    const chunk = new Uint8Array(1024 * 1024).fill(7);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ < 200) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const response = await fetch(`${site.base}/cgi-bin/echo.sh`, { method: "POST", body });
    let received = 0;
    for await (const part of response.body!) received += part.length;
    assertEquals(received, 200 * chunk.length);
    const grown = peakMemory(site.command.process.pid) - before;
    assert(grown < 100, `it grew by ${Math.round(grown)} MiB`);
  },
});

Deno.test({
  name: "HEAD and statuses without content end an endless program, and keep the connection",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/endless.sh":
        "#!/bin/sh\necho $$ > pids\nprintf 'Status: %s\\nContent-Type: text/plain\\n\\n' \"$QUERY_STRING\"\nexec yes\n",
    }, ["--cgi", "--cgi-linger=0.2"]);
    for (const [method, status] of [["HEAD", 200], ["GET", 204], ["GET", 304]] as const) {
      const target = `${method} /cgi-bin/endless.sh?${status} HTTP/1.1\r\nHost: localhost\r\n`;
      const response = await raw(site.port, `${target}Connection: close\r\n\r\n`);
      assertEquals([response.status, response.body.length], [status, 0]);
      const [pid] = await pidsOf(site);
      await untilGone([pid!]);
    }
  },
});

Deno.test({
  name: "the response of a program killed midway is aborted, and its last error output is in the log",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/dies.sh":
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhalf'\necho dying >&2\nsleep 0.2\nkill -9 $$\n",
    });
    const response = await raw(
      site.port,
      "GET /cgi-bin/dies.sh HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assertEquals(response.status, 200);
    assertEquals(response.complete, false);
    await site.command.untilStderr("SIGKILL");
    assertStringIncludes(site.command.stderr(), "/cgi-bin/dies.sh: dying");
  },
});

Deno.test({
  name: "a short response has a Content-Length, and that of a killed program is aborted all the same",
  ignore,
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/short.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nshort\\n'\n",
      "cgi-bin/empty.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n",
      "cgi-bin/killed.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhalf'\nkill -9 $$\n",
    });
    for (const [name, body] of [["short.sh", "short\n"], ["empty.sh", ""]] as const) {
      await until(async () => {
        const response = await ask(site.port, "GET", `/cgi-bin/${name}`);
        assertEquals([response.status, response.text, response.complete], [200, body, true]);
        // On a busy machine its end may be too late to be waited for.
        return response.headers.get("content-length") === String(body.length);
      }, `${name} has its length`);
    }
    for (let i = 0; i < 10; i++) {
      const killed = await ask(site.port, "GET", "/cgi-bin/killed.sh");
      assertEquals([killed.status, killed.complete], [200, false]);
    }
  },
});
