/** Programs at every door: HTTPS with HTTP/1.1 and HTTP/2, several workers, `deno serve`. The client is curl. */

// deno-lint-ignore-file no-console
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { withoutAbortWarning } from "../../../cli/abort_warning.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { noise } from "../../support/bytes.ts";
import { type RunningCommand, start, startProcess } from "../../support/command.ts";
import { fromFileUrl, ROOT } from "../../support/paths.ts";
import { missing } from "../../support/programs.ts";
import { type TempTree, tempTree } from "../../support/tree.ts";
import { isRunning, until } from "../../support/wait.ts";
import { freePort } from "../../support/port.ts";

const SERVED = fromFileUrl("../testdata/cgi_serve.ts");

/** The runtime's warning at the first access to the signal of a request. */
const WARNING = "request.signal aborts on successful responses";

/** A served site with programs, and curl's options for it. */
interface Door {
  readonly server: RunningCommand;
  readonly url: string;
  readonly flags: readonly string[];
  /** Whether the runtime's warning is expected: a library leaves `console` alone. */
  readonly warns: boolean;
}

const DOORS: Readonly<Record<string, (tree: TempTree) => Promise<Door>>> = {
  "the command": (tree) => command(tree),
  "the command by HTTPS and HTTP/1.1": (tree) => commandOverTls(tree, "--http1.1"),
  "the command by HTTPS and HTTP/2": (tree) => commandOverTls(tree, "--http2"),
  ...Deno.build.os === "linux" && {
    "two workers": (tree: TempTree) => command(tree, ["--workers", "2"]),
    "two workers by HTTPS and HTTP/2": (tree: TempTree) => commandOverTls(tree, "--http2", ["--workers", "2"]),
  },
  "deno serve": (tree) => denoServe(tree, []),
  "deno serve without the old signal": (tree) => denoServe(tree, ["--unstable-no-legacy-abort"]),
};

async function command(tree: TempTree, options: readonly string[] = []): Promise<Door> {
  const server = await start([tree.at("site"), "--cgi", ...options]);
  return { server, url: `http://127.0.0.1:${server.port}`, flags: [], warns: false };
}

async function commandOverTls(tree: TempTree, version: string, options: readonly string[] = []): Promise<Door> {
  const tls = await makeCertificate(tree.path);
  const { server } = await command(tree, [...tls.options, ...options]);
  return { server, url: `https://127.0.0.1:${server.port}`, flags: ["-k", version], warns: false };
}

async function denoServe(tree: TempTree, flags: readonly string[]): Promise<Door> {
  const port = freePort();
  const args = ["serve", "-A", "--no-lock", ...flags, "--host", "127.0.0.1", "--port", String(port), SERVED];
  const env = { TEST_PORT: String(port), TEST_ROOT: tree.at("site") };
  const server = await startProcess(Deno.execPath(), args, { cwd: ROOT, env });
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(url).then((response) => response.text()).then(() => true, () => false), "it listens");
  return { server, url, flags: [], warns: flags.length === 0 };
}

const SCRIPTS = {
  "site/cgi-bin/lines.sh": `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
for i in 1 2 3; do
  echo "line $i"
  while [ ! -e "seen$i" ]; do sleep 0.01; done
done
`,
  "site/cgi-bin/cat.sh": `#!/bin/sh
printf 'Content-Type: application/octet-stream\\nX-Length: %s\\nX-Scheme: %s\\n\\n' "$CONTENT_LENGTH" "$REQUEST_SCHEME"
exec cat
`,
  // Writes its pid and that of a child, answers a line or not, and then is silent.
  "site/cgi-bin/silent.sh": `#!/bin/sh
sleep 600 &
echo "$$ $!" > "$QUERY_STRING.new"; mv "$QUERY_STRING.new" "$QUERY_STRING"
if [ "$QUERY_STRING" != early ]; then printf 'Content-Type: text/plain\\n\\nfirst\\n'; fi
wait
`,
};

async function siteTree(): Promise<TempTree> {
  const tree = await tempTree(SCRIPTS);
  for (const name of Object.keys(SCRIPTS)) await Deno.chmod(tree.at(name), 0o755);
  return tree;
}

/** A client that runs until it has received everything, or is killed. */
function curl({ flags, url }: Door, path: string, ...more: string[]): Deno.ChildProcess {
  const args = ["-sSN", "--max-time", "60", ...flags, ...more, url + path];
  return new Deno.Command("curl", { args, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
}

async function streams(door: Door, tree: TempTree): Promise<void> {
  const client = curl(door, "/cgi-bin/lines.sh");
  const lines = client.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (const i of [1, 2, 3]) {
    assertEquals((await lines.read()).value, `line ${i}\n`); // the program waits until we have it
    await Deno.writeTextFile(tree.at(`site/cgi-bin/seen${i}`), "");
  }
  assertEquals((await lines.read()).done, true);
  assertEquals((await client.status).code, 0);
}

async function echoes(door: Door, tree: TempTree, ...how: string[]): Promise<void> {
  const sent = await Deno.readFile(tree.at("body"));
  const client = curl(door, "/cgi-bin/cat.sh", "-X", "POST", "-D", tree.at("head"), ...how);
  const { code, stdout } = await client.output();
  assertEquals(code, 0);
  assertEquals(stdout, sent);
  const head = (await Deno.readTextFile(tree.at("head"))).toLowerCase();
  assertStringIncludes(head, `x-length: ${sent.length}`);
  assertStringIncludes(head, `x-scheme: ${door.url.split(":")[0]}`);
}

async function endsWithItsClient(door: Door, tree: TempTree, when: "early" | "late"): Promise<void> {
  const client = curl(door, `/cgi-bin/silent.sh?${when}`);
  const output = client.stdout.getReader();
  const file = tree.at(`site/cgi-bin/${when}`);
  await until(() => Deno.stat(file).then(() => true, () => false), "the program starts");
  const pids = (await Deno.readTextFile(file)).trim().split(" ").map(Number);
  if (when === "late") assertEquals(new TextDecoder().decode((await output.read()).value), "first\n");
  assert(pids.every(isRunning));
  client.kill("SIGKILL");
  await client.status;
  await output.cancel();
  await until(() => !pids.some(isRunning), `the processes ${pids.join(" and ")} are gone`);
}

for (const [name, open] of Object.entries(DOORS)) {
  Deno.test({
    name: `programs at ${name}`,
    ignore: Deno.build.os === "windows" || missing("curl", "openssl"),
    async fn(t) {
      await using tree = await siteTree();
      const body = noise(3 * 1024 * 1024);
      await Deno.writeFile(tree.at("body"), body);
      const door = await open(tree);
      await using server = door.server;
      await t.step("each line arrives when it is written", () => streams(door, tree));
      await t.step("a body with a length", () => echoes(door, tree, "--data-binary", `@${tree.at("body")}`));
      await t.step("a body in chunks", () => {
        return echoes(door, tree, "-T", tree.at("body"), "-H", "Transfer-Encoding: chunked");
      });
      await t.step("a client that disconnects before there is output", () => endsWithItsClient(door, tree, "early"));
      await t.step("a client that disconnects during the response", () => endsWithItsClient(door, tree, "late"));
      await t.step("the runtime's warnings", async () => {
        await server.stop("SIGTERM");
        assertEquals(server.stderr().includes(WARNING), door.warns, server.stderr());
      });
    },
  });
}

Deno.test("only the runtime's warning is suppressed, until the last feature that would cause it has ended", async () => {
  const { warn } = console;
  const said: unknown[] = [];
  const listen = (...words: unknown[]) => void said.push(words[0]);
  console.warn = listen;
  try {
    const feature = { methods: [], handler: () => () => null };
    const [first, second] = [withoutAbortWarning(feature), withoutAbortWarning(feature)];
    const warnTwice = () => ["Deno.serve: " + WARNING, "another"].forEach((words) => console.warn(words));
    warnTwice();
    await first.end?.();
    warnTwice();
    assertEquals(said, ["another", "another"]);
    await second.end?.();
    assert(console.warn === listen);
  } finally {
    console.warn = warn;
  }
});
