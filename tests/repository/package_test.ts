/** The package as users get it: the published files, from a registry, on a fresh machine. */

import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { walk } from "@std/fs/walk";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { pathToFileURL } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { writePackage } from "../../tools/package.ts";
import { startProcess } from "../support/command.ts";
import { type FreshMachine, freshMachine, publishedPackage } from "../support/jsr_registry.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const PACKAGE = `jsr:${config.name}`;

/** On a free port of this machine only. */
const ADDRESS = ["-b", "127.0.0.1", "0"];

/** Every byte there is, and more than one read's worth. */
const BYTES = Uint8Array.from({ length: 100_000 }, (_, index) => index);

const SITE = { "site/bytes.bin": BYTES };

/**
 * A hostile directory: deno would read all of this for a program of its own. With it
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

/** A project with dependencies that are not installed. */
const NODE_PROJECT = {
  "project/package.json": JSON.stringify({ name: "project", type: "module", dependencies: { mime: "^4.1.0" } }),
  "project/hello.txt": "project",
  "project/site/hello.txt": "project/site",
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

/** There deno takes packages of npm only from what the project has installed, so the command must need none. */
for (const directory of ["project", "project/site"]) {
  const where = directory === "project" ? "a Node project" : "a sub-directory of one";
  Deno.test(`deno run -A ${PACKAGE} serves ${where}, and installs nothing there`, async () => {
    await using machine = await freshMachine(NODE_PROJECT);
    const before = await namesIn(machine.tree.at("project"));
    await using server = await runDeno(["run", "-A", PACKAGE, ...ADDRESS], machine, directory);
    const file = await ask(server.port, "GET", "/hello.txt");
    assertEquals([file.status, file.text], [200, directory]);
    await server.stop();
    const after = await namesIn(machine.tree.at("project"));
    assertEquals(after.filter((name) => name !== "deno.lock"), before); // deno writes that one without --no-lock
  });
}

Deno.test(`deno run -A --no-config --no-lock ${PACKAGE} loads nothing from the served directory, and leaves nothing there`, async () => {
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

Deno.test(
  "The installed command loads nothing from the served directory, and leaves nothing there",
  unixOnly,
  async () => {
    await using machine = await freshMachine(HOSTILE_SITE);
    const before = await namesIn(machine.tree.at("site"));
    await using server = await startInstalled(machine);
    await assertServesSite(server.port);
    await server.stop();
    assertEquals(await namesIn(machine.tree.at("site")), before);
  },
);

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

Deno.test(`A program that imports the sub-paths of ${PACKAGE} type-checks, and needs no permission`, async () => {
  const program = `
    import { chain, type Handler, toFetch } from "${PACKAGE}";
    import { listing, sendContent } from "${PACKAGE}/handlers";
    import { mediaType } from "${PACKAGE}/http";
    import { errorPages } from "${PACKAGE}/layers";
    import { type FileSource, memory, openBytes } from "${PACKAGE}/sources";
    const bytes = new TextEncoder().encode("hello");
    const hello: Handler = (request, { target }) => target.path.name !== "a.txt" ? null : sendContent(request, {
      type: mediaType("a.txt"), size: bytes.length, modified: null, etag: null, open: () => openBytes(bytes),
    });
    const source: FileSource = memory({ "b.txt": "" });
    const fetch = toFetch(errorPages()(chain(hello, listing(source))));
    const ask = async (path: string) => await (await fetch(new Request("http://localhost" + path))).text();
    console.log(await ask("/a.txt"), await ask("/?format=text"));
  `;
  await using machine = await freshMachine({ "app/main.ts": program });
  assertEquals(
    await outputOf(["run", "--no-prompt", "--check", machine.tree.at("app/main.ts")], machine),
    "hello b.txt\n\n",
  );
});

Deno.test(`A program that imports ${PACKAGE}/python type-checks, and needs the permission for its address only`, async () => {
  const program = `
    import { BaseHTTPRequestHandler, HTTPServer } from "${PACKAGE}/python";
    class Handler extends BaseHTTPRequestHandler {
      do_GET(): void {
        this.send_response(200);
        this.end_headers();
        this.wfile.write(this.path);
      }
      override log_message(): void {}
    }
    await using server = new HTTPServer(["127.0.0.1", 0], Handler);
    server.serve_forever();
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.server_port });
    await conn.write(new TextEncoder().encode("GET /x\\r\\n"));
    console.log(await new Response(conn.readable).text());
  `;
  await using machine = await freshMachine({ "app/main.ts": program });
  const args = ["run", "--no-prompt", "--check", "--allow-net=127.0.0.1", machine.tree.at("app/main.ts")];
  assertEquals(await outputOf(args, machine), "/x\n");
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
  const { files, exports, needed } = await publishedPackage();
  assertEquals(Object.values(exports).filter((entry) => !needed.includes(entry.replace("./", ""))), []);
  assertEquals(needed.filter((path) => !files.has(path)), []);
});

Deno.test("Nothing is published but what the exports need, and the documents", async () => {
  const { files, needed } = await publishedPackage();
  const others = [...files.keys()].filter((path) => path !== "deno.json" && !needed.includes(path));
  assertEquals(others.toSorted(), ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md"]);
});

Deno.test("The published configuration has nothing that only a checkout needs", async () => {
  const { files } = await publishedPackage();
  const { imports, ...rest } = JSON.parse(new TextDecoder().decode(files.get("deno.json")));
  assertEquals(Object.keys(rest).toSorted(), ["compilerOptions", "exports", "license", "name", "version"]);
  assertEquals(Object.entries(imports).filter(([, target]) => !`${target}`.startsWith("jsr:@std/")), []);
  assertEquals("@std/assert" in imports, false); // for tests only
});

Deno.test("The published command is bundled: at its start, it reads nothing but the bundle", async () => {
  const { files, exports } = await publishedPackage();
  const entry = exports["./cli"]!.replace("./", "");
  const code = decoded(files.get(entry)!);
  assertMatch(code, /^\/\* @ts-self-types="\.\.\/cli\.ts" \*\/\n/);
  const bundle = [...files].filter(([path]) => path.startsWith("command/"));
  const outside = bundle.filter(([, content]) => /^(?:import|export)\b.*["'](?:\.\.|jsr:|@)/m.test(decoded(content)));
  assertEquals(outside.map(([path]) => path), []);
  const workers = bundle.flatMap((
    [, content],
  ) => [...decoded(content).matchAll(/new URL\("\.\/([^"]+)", import\.meta/g)]);
  assertEquals(workers.filter(([, name]) => !files.has(`command/${name}`)), []);
  assertEquals(workers.length, 2);
});

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test("The published modules import nothing as text, and nothing from npm", async () => {
  const { files, imported } = await publishedPackage();
  // In the bundle, such imports of the page's own scripts are in strings.
  const sources = [...files].filter(([path]) => !path.startsWith("command/"));
  const contents = sources.map(([path, content]) => [path, decoded(content)] as const);
  assertEquals(
    contents.filter(([, text]) => /with\s*:?\s*\{\s*type\s*:\s*["']text/.test(text)).map(([path]) => path),
    [],
  );
  assertEquals([...imported].filter((specifier) => specifier?.startsWith("npm:")), []);
});

/** A package with every form of a text import, and with what only looks like one. */
const CHECKOUT_WITH_TEXTS = {
  "checkout/deno.json": JSON.stringify({
    name: "@x/texts",
    version: "1.0.0",
    exports: { ".": "./mod.ts" },
    imports: { "@y/used": "jsr:@y/used@^1.0.0", "@y/unused": "jsr:@y/unused@^1.0.0" },
    links: ["./links/used"],
    tasks: { ok: "deno test" },
  }),
  "checkout/links/used/deno.json": `{ "name": "@y/used", "version": "1.0.0", "exports": { "./part": "./part.ts" } }`,
  "checkout/links/used/part.ts": `export const used = "";`,
  "checkout/mod.ts": `// import no from "./page/no.css" with { type: "text" };
/* 𝒙é */ import a from "./page/a b.css" with { type: "text" }; import { used } from "@y/used/part";
export { default as b } from './page/b.js' with {
  type: "text",
};
export const c = async () => (await import("./page/c.html", { with: { type: "text" } })).default;
export const all = a + used + 'import no from "./page/no.css" with { type: "text" }';
`,
  "checkout/page/a b.css": `a { content: "\\201C" }\n/* 𝒙 */\u2028`,
  "checkout/page/b.js": "`${b}`",
  "checkout/page/c.html": "",
  "checkout/page/no.css": "",
  "checkout/LICENSE": "",
  "checkout/other.ts": "",
};

Deno.test("The copy has modules in the place of text imports, and only what is needed", async () => {
  await using tree = await tempTree(CHECKOUT_WITH_TEXTS);
  await writePackage(tree.at("copy"), pathToFileURL(tree.at("checkout/")));
  assertEquals(await namesIn(tree.at("copy"), "file"), [
    "LICENSE",
    "deno.json",
    "mod.ts",
    join("page", "a b.css.ts"),
    join("page", "b.js.ts"),
    join("page", "c.html.ts"),
  ]);
  assertEquals(
    await Deno.readTextFile(tree.at("copy/mod.ts")),
    `// import no from "./page/no.css" with { type: "text" };
/* 𝒙é */ import a from "./page/a b.css.ts"; import { used } from "@y/used/part";
export { default as b } from "./page/b.js.ts";
export const c = async () => (await import("./page/c.html.ts")).default;
export const all = a + used + 'import no from "./page/no.css" with { type: "text" }';
`,
  );
  for (const name of ["a b.css", "b.js", "c.html"]) {
    const { default: text } = await import(pathToFileURL(tree.at(`copy/page/${name}.ts`)).href);
    assertEquals(text, await Deno.readTextFile(tree.at(`checkout/page/${name}`)));
  }
  assertEquals(JSON.parse(await Deno.readTextFile(tree.at("copy/deno.json"))), {
    name: "@x/texts",
    version: "1.0.0",
    exports: { ".": "./mod.ts" },
    imports: { "@y/used": "jsr:@y/used@^1.0.0" },
  });
});

Deno.test("A text import that cannot be replaced is refused", async () => {
  const again = `export const again = () => import("./page/a b.css", { with: { type: "text" } });`;
  const files = { ...CHECKOUT_WITH_TEXTS, "checkout/mod.ts": `${CHECKOUT_WITH_TEXTS["checkout/mod.ts"]}${again}` };
  await using tree = await tempTree(files);
  const written = writePackage(tree.at("copy"), pathToFileURL(tree.at("checkout/")));
  await assertRejects(() => written, Error, 'Cannot replace the second import of "./page/a b.css"');
});

Deno.test("The copy is written only to an empty directory", async () => {
  await using tree = await tempTree({ "copy/precious.txt": "" });
  await assertRejects(() => writePackage(tree.at("copy")), Error, "the directory is not empty");
  assertEquals(await namesIn(tree.at("copy"), "file"), ["precious.txt"]);
});

/** Starts deno on the machine, in the directory that is to be served, and waits for the start line of pyserve. */
function runDeno(args: readonly string[], { tree, env }: FreshMachine, directory = "site") {
  return startProcess(Deno.execPath(), args, { cwd: tree.at(directory), env });
}

async function startInstalled(machine: FreshMachine) {
  const { tree } = machine;
  await outputOf(["install", "--global", "-A", "--root", tree.at("installed"), PACKAGE], machine);
  const env = { ...machine.env, PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` };
  return await startProcess(tree.at("installed/bin/pyserve"), ADDRESS, { cwd: tree.at("site"), env });
}

/** The output of a deno that ends by itself; fails unless its exit status is 0. */
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

/** The paths of all that is in a directory, or of the files only, at any depth. */
async function namesIn(directory: string, kind: "file" | "any" = "any"): Promise<string[]> {
  const entries = await Array.fromAsync(walk(join(directory, ".")));
  const wanted = entries.filter(({ isFile, path }) => kind === "any" ? path !== directory : isFile);
  return wanted.map(({ path }) => path.slice(directory.length + 1)).toSorted();
}
