/** The programs of docs/upstream.md still show what they are said to show. */

import { assert, assertMatch } from "@std/assert";
import { join } from "@std/path/join";
import { makeCertificate } from "../support/certificate.ts";
import { ROOT } from "../support/paths.ts";
import { hasProgram, missing, unless } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

/** How long a program may take, in milliseconds; it blocks if the runtime stops reading. */
const LIMIT_MS = 60_000;

const WITHOUT_STRACE = Deno.build.os !== "linux" || missing("strace", "openssl") ||
  unless(await canTrace(), "tracing is not permitted");

/** Containers may forbid tracing. */
async function canTrace(): Promise<boolean> {
  const { success } = await new Deno.Command("strace", { args: ["-o", "/dev/null", "true"], stderr: "null" }).output();
  return success;
}

/** The programs of the document by name: a block of code follows the line that introduces it. */
function programsIn(text: string): Map<string, string> {
  const blocks = text.matchAll(/^`(\w+\.ts)`[^`]*(?:`[^`]*`[^`]*)?:\n\n```ts ignore\n([\s\S]*?)```/gm);
  return new Map(blocks.map(([, name, program]) => [name!, program!]));
}

/** Runs a program of the document in a directory with a certificate; under strace if system calls are given. */
async function run(name: string, calls?: string): Promise<{ output: string; trace: string }> {
  const program = programsIn(await Deno.readTextFile(join(ROOT, "docs/upstream.md"))).get(name);
  assert(program, `docs/upstream.md contains no ${name}`);
  await using tree = await tempTree({ [name]: program });
  if (hasProgram("openssl")) await makeCertificate(tree.path);
  const deno = [Deno.execPath(), "run", "--no-config", "--no-lock", "--allow-net", "--allow-read", name];
  const [first, ...args] = calls ? ["strace", "-f", "-qq", "-e", `trace=${calls}`, "-o", "trace.txt", ...deno] : deno;
  const limit = AbortSignal.timeout(LIMIT_MS);
  const { success, stdout, stderr } = await new Deno.Command(first!, { args, cwd: tree.path, signal: limit }).output();
  const output = new TextDecoder().decode(stdout);
  assert(success, `${name} does not end with success: ${output}${new TextDecoder().decode(stderr)}`);
  return { output, trace: calls ? await Deno.readTextFile(tree.at("trace.txt")) : "" };
}

function mended(finding: string, workaround: string): string {
  return `${finding} has been mended: remove the report from docs/upstream.md, and ${workaround}`;
}

Deno.test({
  name: "docs/upstream.md: the runtime sends head and body of a small response separately",
  ignore: WITHOUT_STRACE,
  async fn() {
    const { trace } = await run("two_sends.ts", "sendto");
    assertMatch(trace, /"HTTP\/1\.1 200 OK/);
    assert(/"xxxx/.test(trace), mended("The second system call", "delete handlers/transport/padding.ts"));
  },
});

Deno.test({
  name: "docs/upstream.md: the runtime disables Nagle's algorithm, but not for TLS",
  ignore: WITHOUT_STRACE,
  async fn() {
    assertMatch((await run("two_sends.ts", "setsockopt")).trace, /TCP_NODELAY, \[1\]/);
    const { output, trace } = await run("no_delay.ts", "setsockopt");
    assertMatch(output, /^(?:\d+ ms\n){4}$/);
    assert(!/TCP_NODELAY, \[1\]/.test(trace), mended("Nagle's algorithm", "NO_DELAY from handlers/system/sockets.ts"));
  },
});

Deno.test({
  name: "docs/upstream.md: the runtime buffers what it is not asked to read",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const output = await run("unread.ts").then(({ output }) => output, (error) => String(error));
    const mib = Number(/^(\d+) MiB/.exec(output)?.[1] ?? 0);
    assert(mib > 128, `${mended("Buffering", "delete handlers/transport/intake.ts")} (${output})`);
  },
});
