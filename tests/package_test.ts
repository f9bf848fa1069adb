/** The package as people get it: what would be published, from a registry, on a machine that has never seen it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { walk } from "@std/fs/walk";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import config from "../deno.json" with { type: "json" };
import { startProcess } from "./support/command.ts";
import { type FreshMachine, freshMachine, neededFiles, publishedPackage } from "./support/jsr_registry.ts";
import { ask } from "./support/raw.ts";

const PACKAGE = `jsr:${config.name}`;

/** On a free port of this machine only. */
const ADDRESS = ["-b", "127.0.0.1", "0"];

/** Every byte there is, and more than one read's worth. */
const BYTES = Uint8Array.from({ length: 100_000 }, (_, index) => index);

const SITE = { "site/bytes.bin": BYTES };

/**
 * A directory whose owner wants to be more than served: deno would read all of this for a program of its own. With it
 * `deno run` loads a module of theirs in the place of ours, makes node_modules and writes a lock file.
 */
const HOSTILE_SITE = {
  ...SITE,
  "site/deno.json": JSON.stringify({
    nodeModulesDir: "auto",
    imports: { "jsr:@std/path@^1.0.0/join": "./replaced.ts" },
  }),
  "site/package.json": "{}",
  "site/replaced.ts": `Deno.writeTextFileSync("written.txt", ""); export { join } from "node:path";`,
};

/** A shell script starts the installed command, and signals end it; Windows has neither. */
const unixOnly = { ignore: Deno.build.os === "windows" };

Deno.test(`deno run -A ${PACKAGE} serves files and listings, and ends with 0 on SIGINT`, unixOnly, async () => {
  await using machine = await freshMachine(SITE);
  await using server = await runDeno(["run", "-A", PACKAGE, ...ADDRESS], machine);
  assertStringIncludes(server.stdout(), `Serving HTTP on 127.0.0.1 port ${server.port} `);
  await assertServesSite(server.port);
  assertEquals(await server.stop("SIGINT"), 0);
});

Deno.test(`deno run -A --no-config --no-lock ${PACKAGE} takes nothing from where it serves, and leaves nothing`, async () => {
  await using machine = await freshMachine(HOSTILE_SITE);
  const before = await namesIn(machine.tree.at("site"));
  await using server = await runDeno(["run", "-A", "--no-config", "--no-lock", PACKAGE, ...ADDRESS], machine);
  await assertServesSite(server.port);
  await server.stop();
  assertEquals(await namesIn(machine.tree.at("site")), before);
});

Deno.test("The installed command is called pyserve, serves, and ends with 0 on SIGINT", unixOnly, async () => {
  await using machine = await freshMachine(SITE);
  await using server = await startInstalled(machine);
  assertStringIncludes(server.stdout(), `Serving HTTP on 127.0.0.1 port ${server.port} `);
  await assertServesSite(server.port);
  assertEquals(await server.stop("SIGINT"), 0);
});

Deno.test("The installed command takes nothing from where it serves, and leaves nothing", unixOnly, async () => {
  await using machine = await freshMachine(HOSTILE_SITE);
  const before = await namesIn(machine.tree.at("site"));
  await using server = await startInstalled(machine);
  await assertServesSite(server.port);
  await server.stop();
  assertEquals(await namesIn(machine.tree.at("site")), before);
});

Deno.test(`A program that imports ${PACKAGE} type-checks, and answers a request without any permission`, async () => {
  const program = `
    import { fileServer, memory, toFetch } from "${PACKAGE}";
    const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { log: false }));
    const response = await fetch(new Request("http://localhost/a.txt"));
    console.log(response.status, await response.text());
  `;
  await using machine = await freshMachine({ "app/main.ts": program });
  assertEquals(
    await outputOf(["run", "--no-prompt", "--check", machine.tree.at("app/main.ts")], machine),
    "200 hello\n",
  );
});

Deno.test(`A program that imports ${PACKAGE}/cli runs the command`, async () => {
  const program = `
    import { main } from "${PACKAGE}/cli";
    Deno.exit(await main(["--version"]));
  `;
  await using machine = await freshMachine({ "app/main.ts": program });
  const output = await outputOf(["run", "--no-prompt", "--check", machine.tree.at("app/main.ts")], machine);
  assertEquals(output, `pyserve ${config.version}\n`);
});

Deno.test(`A module that imports ${PACKAGE} serves under deno serve`, async () => {
  const module = `
    import { fileServer, toFetch } from "${PACKAGE}";
    export default { fetch: toFetch(fileServer("site", { log: false })) } satisfies Deno.ServeDefaultExport;
  `;
  await using machine = await freshMachine({ ...SITE, "app/main.ts": module });
  await using server = new Deno.Command(Deno.execPath(), {
    args: ["serve", "-A", "--check", "--host", "127.0.0.1", "--port", "0", machine.tree.at("app/main.ts")],
    cwd: machine.tree.path,
    env: { ...machine.env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await assertServesSite(await portOf(server.stderr));
});

Deno.test("Every module that the exports need is published", async () => {
  const { files, exports } = await publishedPackage();
  for (const entry of Object.values(exports)) {
    // The stand-ins are published, but a package from the registry gets what they stand for from there too.
    const needed = (await neededFiles(entry)).filter((path) => !path.startsWith("links/"));
    assert(needed.includes(entry.replace("./", "")));
    assertEquals(needed.filter((path) => !files.has(path)), []);
  }
});

Deno.test("Nothing is published that only the project needs", async () => {
  const { files } = await publishedPackage();
  const ours = /^(tests|bench|\.ci|\.github|\.git|node_modules|coverage)\/|(^|\/)deno\.lock$|_(test|bench)\.ts$/;
  assertEquals([...files.keys()].filter((path) => ours.test(path)), []);
});

/** Starts deno on the machine with the site as the current directory, and waits for the start line of pyserve. */
function runDeno(args: readonly string[], { tree, env }: FreshMachine) {
  return startProcess(Deno.execPath(), args, { cwd: tree.at("site"), env });
}

async function startInstalled(machine: FreshMachine) {
  const { tree } = machine;
  await outputOf(["install", "--global", "-A", "--root", tree.at("installed"), PACKAGE], machine);
  const env = { ...machine.env, PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
  return await startProcess(tree.at("installed/bin/pyserve"), ADDRESS, { cwd: tree.at("site"), env });
}

/** What a deno that ends by itself printed; fails where its exit status is not 0. */
async function outputOf(args: readonly string[], { tree, env }: FreshMachine): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: tree.path,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The port that `deno serve` says it listens on. */
async function portOf(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<number> {
  let all = "";
  for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
    all += text;
    const port = /Listening on http:\/\/127\.0\.0\.1:(\d+)\/\s/.exec(all)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`deno serve did not start: ${all}`);
}

async function assertServesSite(port: number): Promise<void> {
  const file = await ask(port, "GET", "/bytes.bin");
  assertEquals(file.status, 200);
  assertEquals(file.body, BYTES);
  const listing = await ask(port, "GET", "/", "Accept: text/html");
  assertEquals(listing.status, 200);
  assertStringIncludes(listing.text, 'href="bytes.bin"');
  assertMatch(listing.text, /<style>[^<]+\{[^<]+<\/style>/); // a file of its own, which must have come along
}

/** All that is in a directory, at any depth. */
async function namesIn(directory: string): Promise<string[]> {
  const entries = await Array.fromAsync(walk(join(directory, ".")));
  return entries.map(({ path }) => path).toSorted();
}
