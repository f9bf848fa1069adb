/** Running programs for a request: well-behaved and misbehaving sh and python3 scripts. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { countScripts, endAllScripts } from "../../../handlers/upstream/cgi/process_group.ts";
import {
  type RunningScript,
  type ScriptLimits,
  type ScriptStart,
  startScript,
} from "../../../handlers/upstream/cgi/run.ts";
import { spool, type Spooled } from "../../../handlers/upstream/spool.ts";
import { findUser } from "../../../handlers/upstream/cgi/user.ts";
import { HttpError } from "../../../handlers/core/errors.ts";
import { ROOT } from "../../support/paths.ts";
import { missing } from "../../support/programs.ts";
import { tempTree } from "../../support/tree.ts";
import { isRunning, until } from "../../support/wait.ts";

const ignore = missing("sh", "setsid");
const LIMITS: ScriptLimits = { headerMs: 20_000, idleMs: 20_000, lingerMs: 20_000, stallMs: 20_000 };
const PATH = "/usr/local/bin:/usr/bin:/bin";

interface Setup extends Partial<ScriptLimits>, Partial<ScriptStart> {
  readonly onStderr?: (line: string) => void;
}

/** Runs sh with a script. */
function sh(script: string, setup: Setup = {}): Promise<RunningScript> {
  return run({ command: "/bin/sh", args: ["-c", script], ...setup });
}

function run({ onStderr = () => {}, ...setup }: Setup): Promise<RunningScript> {
  const start = { command: "", args: [], cwd: "/tmp", env: { PATH }, input: null, ...setup };
  return startScript(start, { ...LIMITS, ...setup }, onStderr);
}

async function textOf(script: RunningScript): Promise<string> {
  return new TextDecoder().decode(await bytesOf(script));
}

async function bytesOf(script: RunningScript): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let chunk = await script.read(); chunk !== null; chunk = await script.read()) chunks.push(chunk.slice());
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function lineOf(script: RunningScript): Promise<string> {
  let text = "";
  while (!text.includes("\n")) text += new TextDecoder().decode((await script.read())!);
  return text.split("\n")[0]!; // more may have come with it
}

function body(bytes: Uint8Array<ArrayBuffer> | string): Promise<Spooled> {
  return spool(new Blob([bytes]).stream(), { max: null });
}

function countDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

function children(): string[] {
  return Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`).trim().split(" ").filter(Boolean);
}

async function status(promise: Promise<unknown>): Promise<number> {
  return (await assertRejects(() => promise, HttpError)).status;
}

Deno.test(
  "a script has the given environment, arguments and directory, and nothing else",
  { ignore },
  async () => {
    const args = ["-c", 'env; pwd; echo "$0 $1"', "a b", "*"];
    await using script = await run({ command: "/bin/sh", args, env: { PATH, X: "ä\n1" }, cwd: "/usr" });
    const lines = (await textOf(script)).split("\n").filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
    assertEquals(lines.toSorted(), ["", "/usr", "1", `PATH=${PATH}`, "X=ä", "a b *"].toSorted());
    assertEquals((await script.ended).code, 0);
  },
);

Deno.test("a script leads its own process group and session", { ignore }, async () => {
  await using script = await sh("cut -d' ' -f1,5,6 /proc/$$/stat; exit 7");
  const [pid, group, session] = (await textOf(script)).trim().split(" ");
  assertEquals([group, session], [pid, pid]);
  assertEquals((await script.postMortem()).code, 7);
});

Deno.test("without a body, standard input is at its end", { ignore }, async () => {
  await using script = await sh("cat; echo over");
  assertEquals(await textOf(script), "over\n");
});

Deno.test("input is written while output is read: 10 MB through cat", { ignore }, async () => {
  const bytes = new Uint8Array(10_000_000).map((_, i) => i * 7 + (i >> 8));
  await using script = await run({ command: "/bin/cat", input: await body(bytes) });
  assertEquals(await bytesOf(script), bytes);
});

Deno.test("a script that does not read its input can answer", { ignore }, async () => {
  const input = await body(new Uint8Array(5_000_000));
  const read = Promise.withResolvers<void>();
  const watched: Spooled = {
    length: input.length,
    async *chunks() {
      try {
        yield* input.chunks();
      } finally {
        read.resolve();
      }
    },
    [Symbol.dispose]: () => input[Symbol.dispose](),
  };
  await using script = await sh("exec 0<&-; echo hello", { input: watched });
  assertEquals(await textOf(script), "hello\n");
  assertEquals((await script.ended).code, 0);
  await read.promise; // the file may still be read when the script has ended
});

Deno.test("The input is disposed of when the script has ended", { ignore }, async () => {
  const disposed = Promise.withResolvers<void>();
  const input = await body("abc");
  const watched: Spooled = {
    length: 3,
    chunks: () => input.chunks(),
    [Symbol.dispose]: () => disposed.resolve(),
  };
  await using script = await sh("cat", { input: watched });
  assertEquals(await textOf(script), "abc");
  await disposed.promise;
});

Deno.test("a script is killed if its input fails", { ignore }, async () => {
  const input: Spooled = {
    length: 4,
    async *chunks() {
      yield await Promise.resolve(new Uint8Array(2));
      throw new Error("disk on fire");
    },
    [Symbol.dispose]: () => {},
  };
  await using script = await sh("cat >&2; echo took it", { input });
  await assertRejects(() => script.read(), Error, "disk on fire");
  await script.ended;
});

Deno.test("output that is not read blocks the script", { ignore }, async () => {
  await using script = await sh("head -c 100000000 /dev/zero; echo done >&2");
  assert((await script.read())!.length > 0);
  await sh("sleep 0.2").then(async (other) => {
    await using _ = other;
    await textOf(other);
  });
  assertEquals(script.stderrTail, []); // it is still running
});

Deno.test("a script that ignores TERM gets KILL", { ignore }, async () => {
  await using script = await sh("trap '' TERM; echo $$; while :; do sleep 1; done");
  const pid = Number(await lineOf(script));
  script.kill();
  assertEquals((await script.ended).signal, "SIGKILL");
  assert(!isRunning(pid));
});

Deno.test("a script that is killed before it has a process group ends", { ignore }, async () => {
  for (let i = 0; i < 20; i++) {
    await using script = await sh("exec sleep 1000");
    script.kill();
    assertEquals((await script.ended).signal, "SIGTERM");
  }
});

Deno.test("child processes of a script end with it, even those that ignore TERM", { ignore }, async () => {
  const script = await sh("(trap '' TERM; while :; do sleep 1; done) & a=$!; sleep 1000 & echo $a $! $$; wait");
  const pids = (await lineOf(script)).split(" ").map(Number);
  assert(pids.every(isRunning));
  script.kill();
  await script[Symbol.asyncDispose]();
  await until(() => !pids.some(isRunning));
});

Deno.test("a script without a timely header is a 504, and is killed", { ignore }, async () => {
  await using script = await sh("echo part of them; sleep 1000", { headerMs: 100 });
  await lineOf(script);
  assertEquals(await status(script.read()), 504);
  assertEquals((await script.ended).signal, "SIGTERM");
});

Deno.test("a script that falls silent is killed, and its output ends with an error", { ignore }, async () => {
  await using script = await sh("echo head; sleep 1000", { idleMs: 100 });
  await lineOf(script);
  script.headersDone();
  assertEquals(await status(script.read()), 504);
  assertEquals(await status(script.read()), 504); // and stays so
  await script.ended;
});

Deno.test(
  "the idle limit applies while output is awaited, the stall limit while output is not read",
  { ignore },
  async () => {
    await using script = await sh("echo head; head -c 10000000 /dev/zero; sleep 1000", {
      idleMs: 20_000,
      stallMs: 100,
    });
    await lineOf(script);
    script.headersDone();
    assertEquals((await script.ended).signal, "SIGTERM");
    assertEquals(await status(script.read()), 504);
  },
);

Deno.test("the response of a script that is killed after its header is incomplete", { ignore }, async () => {
  await using script = await sh("echo head; kill -SEGV $$");
  assertEquals(await lineOf(script), "head");
  script.headersDone();
  const error = await assertRejects(() => script.read(), HttpError);
  assertEquals([error.status, error.message], [502, "The program was killed by SIGSEGV"]);
});

Deno.test(
  "a background process delays neither the end of the output nor the release of descriptors",
  { ignore },
  async () => {
    const before = countDescriptors();
    const pids: number[] = [];
    for (let i = 0; i < 3; i++) {
      const script = await sh("sleep 1000 & echo $!");
      pids.push(Number(await lineOf(script)));
      assertEquals(await script.read(), null);
      assertEquals((await script.ended).code, 0);
      await script[Symbol.asyncDispose]();
    }
    assert(pids.every(isRunning), "they keep running");
    await until(() => countDescriptors() <= before);
    for (const pid of pids) Deno.kill(pid, "SIGKILL");
    await until(() => !pids.some(isRunning));
  },
);

Deno.test("output written before the end of a script arrives, however late it is read", { ignore }, async () => {
  await using script = await sh("sleep 1000 & echo $! >&2; head -c 60000 /dev/zero");
  await script.ended;
  await new Promise((resolve) => setTimeout(resolve, 1200)); // the background process's time is over
  assertEquals((await bytesOf(script)).length, 60_000);
  Deno.kill(pidOf(script.stderrTail[0]), "SIGKILL");
});

Deno.test("a background process that never stops writing is not waited for", { ignore }, async () => {
  await using script = await sh("yes & echo $! >&2; exit 0");
  let last = await script.read();
  while (last !== null) last = await script.read();
  await script.ended;
});

Deno.test("a script may run for a limited time after its output", { ignore }, async () => {
  await using tree = await tempTree();
  const done = `${tree.path}/done`;
  await using patient = await sh(`echo hello; exec >&-; sleep 0.3; echo done > ${done}`);
  assertEquals(await textOf(patient), "hello\n");
  assertEquals((await patient.ended).code, 0);
  assertEquals(await Deno.readTextFile(done), "done\n");
  await using endless = await sh("echo hello; exec >&-; sleep 1000", { lingerMs: 50 });
  assertEquals(await textOf(endless), "hello\n");
  assertEquals((await endless.ended).signal, "SIGTERM");
});

Deno.test("discarded output does not block the script, nor an endless script the server", { ignore }, async () => {
  await using script = await sh("head -c 10000000 /dev/zero; exit 3");
  await script.read();
  script.discard();
  assertEquals((await script.ended).code, 3);
  await using endless = await run({ command: "/usr/bin/yes", lingerMs: 50 });
  endless.discard();
  assertEquals((await endless.ended).signal, "SIGTERM");
});

Deno.test(
  "standard error is logged line by line, independently of the output",
  { ignore },
  async () => {
    const lines: string[] = [];
    const flood = "i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done";
    await using script = await sh(`printf 'a\\033[2J\\nno end' >&2; echo >&2; ${flood}; exec >&-; printf last >&2`, {
      onStderr: (line) => lines.push(line),
    });
    assertEquals(await script.read(), null);
    const { stderr, code } = await script.postMortem();
    assertEquals(lines.slice(0, 3), ["a\x1b[2J", "no end", "line 0"]);
    assertEquals([lines.length, lines.at(-1), stderr.length, stderr.at(-1), stderr[0]], [
      33,
      "last",
      20,
      "last",
      "line 11",
    ]);
    assertEquals(code, 0);
  },
);

Deno.test("a flood on standard error is truncated, and blocks nothing", { ignore }, async () => {
  let lines = 0;
  let longest = 0;
  const onStderr = (line: string) => {
    lines++;
    longest = Math.max(longest, line.length);
  };
  await using script = await sh(
    "yes | head -c 50000000 >&2; head -c 50000000 /dev/zero >&2; echo >&2; echo the end >&2",
    { onStderr },
  );
  assertEquals(await textOf(script), "");
  const { stderr } = await script.postMortem();
  assertEquals(stderr.at(-1), "the end");
  assert(lines >= 1000 && lines < 1010, `${lines} lines`);
  assert(longest <= 4 * 4096 + 1, `${longest} characters`);
});

Deno.test("errors of starting a program are distinguished", { ignore }, async (t) => {
  await using tree = await tempTree({
    "busy.sh": "#!/bin/sh\necho ran\n",
    "lost": "#!/no/such/interpreter\n",
    "plain": "x",
  });
  const at = (name: string) => `${tree.path}/${name}`;
  for (const name of ["busy.sh", "lost"]) await Deno.chmod(at(name), 0o755);
  const failed = async (setup: Setup) => {
    try {
      await using script = await run(setup);
      return await status(script.read());
    } catch (thrown) {
      return (thrown as HttpError).status;
    }
  };
  await t.step("gone: 404", async () => assertEquals(await failed({ command: at("gone") }), 404));
  await t.step("a program of the server's is gone: 500", async () => {
    assertEquals(await failed({ command: at("gone"), file: at("plain") }), 500);
    assertEquals(await failed({ command: at("gone"), file: null }), 500);
  });
  await t.step(
    "its interpreter does not exist: 500",
    async () => assertEquals(await failed({ command: at("lost") }), 500),
  );
  await t.step("not to be run: 403", async () => {
    assertEquals(await failed({ command: at("plain") }), 403);
    assertEquals(await failed({ command: tree.path }), 403);
  });
  await t.step(
    "its directory is gone",
    async () => assertEquals(await failed({ command: at("busy.sh"), cwd: at("x") }), 500),
  );
  await t.step("too large an environment: 431", async () => {
    assertEquals(await failed({ command: "/bin/true", env: { X: "x".repeat(200_000) } }), 431);
  });
  await t.step("NUL in the environment: 400", async () => {
    assertEquals(await failed({ command: "/bin/true", env: { X: "\0" } }), 400);
  });
  await t.step("being written: 503; afterwards it runs, with all of its input", async () => {
    const writer = await Deno.open(at("busy.sh"), { append: true });
    assertEquals(await failed({ command: at("busy.sh") }), 503);
    await writer.write(new TextEncoder().encode("cat\n"));
    await using script = await run({ command: at("busy.sh"), input: await body("input\n") });
    const text = textOf(script);
    setTimeout(() => writer.close(), 30);
    assertEquals(await text, "ran\ninput\n");
  });
  await t.step("a script's own exit status 126 is not such an error", async () => {
    await using script = await sh("echo setsid: oh >&2; exit 126");
    assertEquals(await script.read(), null);
    assertEquals((await script.ended).code, 126);
  });
});

Deno.test("A script runs as another user, without its groups", {
  ignore: ignore || missing("setpriv") || Deno.uid() !== 0,
}, async () => {
  await using script = await sh("id -u; id -g; id -G", { user: { uid: 65534, gid: 65533 } });
  assertEquals(await textOf(script), "65534\n65533\n65533\n");
});

Deno.test("a user is found by name or by numbers, and anything else is refused", { ignore }, async () => {
  assertEquals(await findUser("root"), { uid: 0, gid: 0 });
  assertEquals(await findUser("65534:12"), { uid: 65534, gid: 12 });
  for (const name of ["no-such-user", "-u", "", "a b", "1:2:3"]) {
    await assertRejects(() => findUser(name), Error, "No such user");
  }
});

Deno.test("After 200 starts there are no zombies, descriptors or scripts left", { ignore }, async () => {
  const before = countDescriptors();
  const one = async (i: number) => {
    await using script = await sh(`cat >/dev/null; echo ${i}`, { input: await body("x") });
    assertEquals(await textOf(script), `${i}\n`);
    await script.ended;
  };
  for (let i = 0; i < 200; i += 8) await Promise.all(Array.from({ length: 8 }, (_, j) => one(i + j)));
  assertEquals([children(), countScripts()], [[], 0]);
  await until(() => countDescriptors() <= before);
});

Deno.test("at the end of the server every script is killed, with its child processes", { ignore }, async () => {
  const scripts = await Promise.all(
    ["sleep 1000 & echo $! $$; wait", "trap '' TERM; echo $$; while :; do sleep 1; done"].map((text) => sh(text)),
  );
  const pids = (await Promise.all(scripts.map(lineOf))).flatMap((line) => line.split(" ").map(Number));
  await endAllScripts();
  await until(() => !pids.some(isRunning));
  assertEquals(countScripts(), 0);
  await Promise.all(scripts.map((script) => script[Symbol.asyncDispose]()));
});

const RUNNER = `
  import { startScript } from ${JSON.stringify(new URL("../../../handlers/upstream/cgi/run.ts", import.meta.url).href)};
  const limits = { headerMs: 0, idleMs: 0, lingerMs: 0, stallMs: 0 };
  const args = ["-c", "sleep 1000 & echo $! $$; wait"];
  const start = { command: "/bin/sh", args, cwd: "/", env: {}, input: null };
`;

/** Runs a separate process with a script that has started another; returns the words of its output. */
async function inDeno(flags: readonly string[], code: string, shell = 'exec "$0" "$@"'): Promise<string[]> {
  await using tree = await tempTree({ "main.ts": RUNNER + code });
  const args = ["run", "--no-check", "--no-prompt", `--config=${ROOT}/deno.json`, ...flags, `${tree.path}/main.ts`];
  const command = new Deno.Command("sh", { args: ["-c", shell, Deno.execPath(), ...args], stderr: "inherit" });
  const { stdout } = await command.output();
  return new TextDecoder().decode(stdout).trim().split(" ");
}

const STARTED = `
  const script = await startScript(start, limits, () => {});
  console.log(new TextDecoder().decode(await script.read()));
`;

function pidOf(word: string | undefined): number {
  const pid = Number(word);
  assert(pid > 1, `no process id: ${word}`);
  return pid;
}

Deno.test("not even Deno.exit leaves a script running", { ignore }, async () => {
  const pids = (await inDeno(["-A"], `${STARTED} Deno.exit();`)).map(pidOf);
  assertEquals(pids.length, 2);
  await until(() => !pids.some(isRunning));
});

Deno.test("with a list in --allow-run, the script itself is killed", { ignore }, async () => {
  const flags = ["--allow-run=/bin/sh", "--allow-read"];
  const [left, script] = (await inDeno(flags, `${STARTED} script.kill(); await script.ended;`)).map(pidOf);
  assert(!isRunning(script!));
  Deno.kill(left!, "SIGKILL"); // which is why --allow-run takes no list where scripts start others
});

Deno.test("without the permission to run programs, the log names the flag", { ignore }, async () => {
  const code = `await startScript(start, limits, () => {}).catch((e) => console.log(e.status, e.cause.message));`;
  const said = (await inDeno(["--allow-read"], code)).join(" ");
  assertEquals(said, "500 Running programs is not permitted (--allow-run)");
});

Deno.test(
  "without free descriptors, a start is 503, leaks none, and does not affect later ones",
  { ignore },
  async () => {
    const code = `
    const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const once = { ...start, args: ["-c", "echo well"] };
    const statuses = new Set();
    const full = [];
    try { while (true) full.push(Deno.openSync("/dev/null")); } catch { full.pop().close(); }
    const before = count();
    for (let i = 0; i < 50; i++) {
      if (i === 25) for (let j = 0; j < 3; j++) full.pop().close(); // enough for some of the pipes
      await startScript(once, limits, () => {}).catch((error) => statuses.add(error.status));
    }
    const leaked = count() - (before - 3);
    for (const file of full) file.close();
    const script = await startScript(once, limits, () => {});
    console.log([...statuses].join(), leaked, new TextDecoder().decode(await script.read()));
  `;
    assertEquals(await inDeno(["-A"], code, 'ulimit -n 60; exec "$0" "$@"'), ["503", "0", "well"]);
  },
);
