/** The same uploads through every door: an upload is served at once, whatever was cached. */

import { assert, assertEquals } from "@std/assert";
import {
  cgi,
  chain,
  disk,
  errorPages,
  type FetchFunction,
  files,
  fileServer,
  listing,
  mount,
  settle,
  toFetch,
  upload,
  uploadFeatures,
  wrap,
} from "@x/pyserve";
import { cgiContent } from "@x/pyserve/handlers";
import { makeCertificate } from "../support/certificate.ts";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { startReplicas } from "../support/replicas.ts";
import { tempTree } from "../support/tree.ts";
import { form, namesBelow, withHeaders } from "../support/upload.ts";

/** Requests a path that begins with a slash. */
interface Door extends AsyncDisposable {
  ask(target: string, init?: RequestInit): Promise<Response>;
}

const RIGHTS = { rights: { create: true, change: true } };

const DOORS: Readonly<Record<string, (root: string) => Promise<Door>>> = {
  "a function": (root) => inProcess(toFetch(fileServer(root, { features: uploadFeatures(RIGHTS), log: false }))),
  "a mount": (root) => {
    const source = disk(root);
    const site = chain(upload(source, RIGHTS), files(source), listing(source));
    return inProcess(toFetch(mount("/below", site)), "/below");
  },
  "Deno.serve": (root) => overHttp(toFetch(fileServer(root, { features: uploadFeatures(RIGHTS), log: false }))),
  "the command": (root) => command([root, "--quiet", "--all"]),
  "two workers": (root) => command([root, "--quiet", "--all", "--workers=2"]),
  "the command over HTTP/2": commandOverTls,
  "three replicas behind nginx": replicas,
};

function inProcess(fetch: FetchFunction, base = ""): Promise<Door> {
  return Promise.resolve({
    ask: async (target, init) => await fetch(new Request(`http://localhost${base}${target}`, init)),
    async [Symbol.asyncDispose]() {},
  });
}

function overHttp(fetchFunction: FetchFunction): Promise<Door> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, fetchFunction);
  const client = Deno.createHttpClient({});
  return Promise.resolve({
    ask: (target, init) =>
      fetch(`http://127.0.0.1:${server.addr.port}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await server.shutdown();
    },
  });
}

async function command(args: readonly string[]): Promise<Door> {
  const process = await start(args);
  const client = Deno.createHttpClient({});
  return {
    ask: (target, init) => fetch(`http://127.0.0.1:${process.port}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await process.stop();
    },
  };
}

async function replicas(root: string): Promise<Door> {
  const all = await startReplicas([root, "--quiet", "--all"]);
  const client = Deno.createHttpClient({});
  return {
    ask: (target, init) => fetch(`${all.url}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await all[Symbol.asyncDispose]();
    },
  };
}

async function commandOverTls(root: string): Promise<Door> {
  const tree = await tempTree();
  const { cert, options } = await makeCertificate(tree.path);
  const process = await start([root, "--quiet", "--all", ...options]);
  const client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(cert)], http1: false, http2: true });
  return {
    ask: (target, init) => fetch(`https://localhost:${process.port}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await process.stop();
      await tree[Symbol.asyncDispose]();
    },
  };
}

for (const [name, open] of Object.entries(DOORS)) {
  const ignore = (name.includes("HTTP/2") && missing("openssl")) ||
    (name.includes("nginx") && missing("nginx")) ||
    (name.includes("workers") && Deno.build.os !== "linux");
  Deno.test({ name: `uploads through ${name}`, ignore }, async (t) => {
    await using tree = await tempTree({ "a.txt": "old", "docs/": "" });
    await using door = await open(tree.path);
    const ask = async (method: string, target: string, body?: BodyInit, headers: Record<string, string> = {}) => {
      const response = await door.ask(target, { method, headers, ...(body !== undefined && { body }) });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    const statusAndText = async (target: string) => {
      const { status, text } = await ask("GET", target);
      return [status, status === 200 ? text : ""];
    };
    const base = name === "a mount" ? "/below" : "";
    await t.step("an absent file is served as soon as it is uploaded", async () => {
      for (let i = 0; i < 3; i++) assertEquals((await ask("GET", "/new.txt")).status, 404);
      const { status, headers } = await ask("PUT", "/new.txt", "new");
      assertEquals([status, headers.get("location")], [201, "new.txt"]);
      assertEquals(await statusAndText("/new.txt"), [200, "new"]);
      assert((await ask("GET", "/?format=text")).text.includes("new.txt"));
    });
    await t.step("a replaced file is never sent again", async () => {
      for (let i = 0; i < 3; i++) assertEquals(await statusAndText("/a.txt"), [200, "old"]);
      for (const content of ["one", "two", "six"]) { // of one length, so that only the inode differs
        assertEquals((await ask("PUT", "/a.txt", content, { "if-match": "*" })).status, 204);
        assertEquals(await statusAndText("/a.txt"), [200, content]);
      }
    });
    await t.step("in pieces", async () => {
      const target = "/big.bin?upload=through-a-door";
      assertEquals((await ask("PATCH", target, "abc", { "upload-offset": "0" })).status, 204);
      assertEquals((await ask("HEAD", target)).headers.get("upload-offset"), "3");
      const last = { "upload-offset": "3", "upload-complete": "?1" };
      assertEquals((await ask("PATCH", target, "def", last)).status, 201);
      assertEquals(await statusAndText("/big.bin"), [200, "abcdef"]);
    });
    await t.step("a form", async () => {
      const sent = withHeaders(form(['name="f"; filename="f.txt"', "form"]), ["accept", "text/html"]);
      const { status, headers } = await ask("POST", "/docs/", sent.body as string, Object.fromEntries(sent.headers!));
      assertEquals([status, headers.get("location")], [303, "./"]);
      assertEquals(await statusAndText("/docs/f.txt"), [200, "form"]);
    });
    await t.step("made, moved and deleted", async () => {
      assertEquals((await ask("MKCOL", "/made")).status, 201);
      const { status, headers } = await ask("MOVE", "/a.txt", undefined, { destination: `${base}/made/b.txt` });
      assertEquals([status, headers.get("location")], [201, "made/b.txt"]);
      assertEquals([await statusAndText("/a.txt"), await statusAndText("/made/b.txt")], [[404, ""], [200, "six"]]);
      const copied = await ask("COPY", "/made", undefined, { destination: `${base}/copy` });
      assertEquals([copied.status, copied.headers.get("location")], [201, "copy/"]);
      assertEquals(await statusAndText("/copy/b.txt"), [200, "six"]);
      assertEquals((await ask("DELETE", "/copy?recursive")).status, 204);
      assertEquals((await ask("DELETE", "/made?recursive")).status, 204);
      assertEquals(await statusAndText("/made/b.txt"), [404, ""]);
    });
    await t.step("a refusal arrives, although the content was not read", async () => {
      assertEquals((await ask("PUT", "/new.txt", new Uint8Array(100_000))).status, 409);
    });
  });
}

Deno.test({
  name: "in a custom chain, uploads cannot create programs: neither in their directories nor under their names",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({
      "cgi-bin/run.sh": "#!/bin/sh\n",
      "deep/bin/run.sh": "#!/bin/sh\n",
      "sub/": "",
    });
    const options = { directories: ["/cgi-bin", "/deep/bin"], interpreters: { ".php": ["/bin/true"] } } as const;
    const content = cgiContent(disk(tree.path), options);
    const site = chain(cgi(disk(tree.path), options), upload(content, RIGHTS));
    await using door = await inProcess(toFetch(wrap(settle(site), errorPages())));
    const write = async (method: string, path: string, headers: Record<string, string> = {}) => {
      const response = await door.ask(path, { method, headers, ...(method === "PUT" && { body: "x" }) });
      await response.body?.cancel();
      return response.status;
    };
    for (const path of ["/sub/a.php", "/sub/A.PHP"]) assertEquals(await write("PUT", path), 404, path); // there is none
    assertEquals(await write("PUT", "/sub/a.txt"), 201);
    // A parent directory cannot be moved, which would turn its programs into content.
    assertEquals(await write("MOVE", "/deep", { destination: "/shallow" }), 403);
    assertEquals(await write("DELETE", "/deep?recursive"), 403);
    assertEquals(await write("COPY", "/deep", { destination: "/shallow" }), 201);
    assertEquals(await namesBelow(tree.at("shallow")), ["bin/"]);
    await Deno.remove(tree.at("shallow"), { recursive: true });
    assertEquals(await write("MOVE", "/sub/a.txt", { destination: "/sub/a.php" }), 403);
    assertEquals(await write("MOVE", "/sub/a.txt", { destination: "/cgi-bin/a.txt" }), 403);
    const body = new FormData();
    body.append("f", new File(["x"], "form.php"));
    const form = await door.ask("/sub/", { method: "POST", body, headers: { accept: "application/json" } });
    assertEquals([form.status, (await form.json()).detail], [
      403,
      "Hidden files and programs cannot be written (form.php)",
    ]);
    assertEquals([...Deno.readDirSync(tree.at("sub"))].map(({ name }) => name), ["a.txt"]);
    assertEquals([...Deno.readDirSync(tree.at("cgi-bin"))].map(({ name }) => name), ["run.sh"]);
  },
});
