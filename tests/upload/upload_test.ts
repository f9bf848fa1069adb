/** Uploads to the command, over sockets: every method, every refusal, and what is on disk afterwards. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { chain, disk, fileServer, memory, toFetch, upload, uploadFeatures } from "@x/pyserve";
import { cgiContent } from "@x/pyserve/handlers";
import { runCommand, start, type StartOptions, startProcess } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { ask, raw } from "../support/raw.ts";
import { settleTimes, tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";
import { form, namesBelow, send, type Sent, sha256, withHeaders } from "../support/upload.ts";

const JSON_PLEASE = ["Accept", "application/json"] as const;

/** A writable command, in a directory with some files. */
function writable(...args: string[]) {
  return writableSite(args);
}

async function writableSite(args: readonly string[], options: StartOptions = {}) {
  const tree = await tempTree({ "old.txt": "old", "docs/a.txt": "a", "empty/": "", ".secret/key": "k" });
  const command = await start([tree.path, ...args], options);
  const read = (name: string) => Deno.readTextFile(tree.at(name));
  return {
    tree,
    read,
    port: command.port,
    command,
    send: (method: string, target: string, sent: Sent = {}) => send(command.port, method, target, sent),
    names: () => namesBelow(tree.path),
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("PUT stores a new file, creates its parent directories, and reports what it has stored", async () => {
  await using site = await writable("--upload");
  const made = await site.send("PUT", "/new/deep/a%20b.txt", { body: "hello" });
  assertEquals([made.status, made.headers.get("location")], [201, "a%20b.txt"]);
  assertEquals(await site.read("new/deep/a b.txt"), "hello");
  const served = await ask(site.port, "GET", "/new/deep/a%20b.txt");
  assertEquals([served.text, served.headers.get("etag")], ["hello", made.headers.get("etag")]);
  assertEquals(served.headers.get("last-modified"), made.headers.get("last-modified"));
  const told = await site.send("PUT", "/told.txt", { body: "x", headers: [JSON_PLEASE] });
  assertEquals(told.status, 201);
  const { name, href, size, replaced, etag } = JSON.parse(told.text);
  assertEquals([name, href, size, replaced, etag], ["told.txt", "told.txt", 1, false, told.headers.get("etag")]);
  assertEquals((await site.names()).filter((name) => name.includes(".part")), []);
});

Deno.test("PUT accepts an empty file, and one without Content-Length", async () => {
  await using site = await writable("--upload");
  assertEquals((await site.send("PUT", "/none", { body: "" })).status, 201);
  const chunked = ["PUT /chunked HTTP/1.1", "Host: localhost", "Connection: close", "Transfer-Encoding: chunked", ""];
  const { status } = await raw(site.port, [...chunked, "3", "abc", "2", "de", "0", "", ""].join("\r\n"));
  assertEquals([status, await site.read("none"), await site.read("chunked")], [201, "", "abcde"]);
});

Deno.test("an existing file is kept, unless the request or the server says otherwise", async () => {
  await using site = await writable("--all");
  const refused = await site.send("PUT", "/old.txt", { body: "new", headers: [JSON_PLEASE] });
  assertEquals([refused.status, refused.headers.get("content-type")], [409, "application/problem+json"]);
  assertEquals(JSON.parse(refused.text), {
    name: "old.txt",
    status: 409,
    title: "Conflict",
    detail: 'The name "old.txt" is taken',
  });
  assertEquals(await site.read("old.txt"), "old");
  const renamed = await site.send("PUT", "/old.txt?on-conflict=rename", { body: "1" });
  assertEquals([renamed.status, renamed.headers.get("location")], [201, "old%20%281%29.txt"]);
  await site.send("PUT", "/old.txt?on-conflict=rename", { body: "2" });
  assertEquals([await site.read("old (1).txt"), await site.read("old (2).txt")], ["1", "2"]);
  const replaced = await site.send("PUT", "/old.txt?on-conflict=overwrite", { body: "new" });
  assertEquals([replaced.status, await site.read("old.txt")], [204, "new"]);
  assertEquals((await site.send("PUT", "/old.txt?on-conflict=maybe", { body: "x" })).status, 400);
  await using eager = await writable("--all", "--on-conflict", "overwrite");
  assertEquals((await eager.send("PUT", "/old.txt", { body: "new" })).status, 204);
  assertEquals((await eager.send("PUT", "/old.txt?on-conflict=fail", { body: "x" })).status, 409);
  await using polite = await writable("--upload", "--on-conflict", "rename");
  assertEquals((await polite.send("PUT", "/old.txt", { body: "new" })).headers.get("location"), "old%20%281%29.txt");
});

Deno.test("PUT and DELETE honour If-Match, If-None-Match and If-Unmodified-Since", async (t) => {
  await using site = await writableSite(["--all"], { clockAhead: true }); // for strong tags
  const etag = async () => {
    await settleTimes(site.tree.at("old.txt"), 1_000_000_000);
    return (await ask(site.port, "HEAD", "/old.txt")).headers.get("etag")!;
  };
  const rows: readonly [method: string, target: string, header: string, value: string, status: number][] = [
    ["PUT", "/old.txt", "If-None-Match", "*", 412],
    ["PUT", "/fresh.txt", "If-None-Match", "*", 201],
    ["PUT", "/absent.txt", "If-Match", "*", 412],
    ["PUT", "/absent.txt", "If-Match", '"x"', 412],
    ["PUT", "/old.txt", "If-Match", '"x"', 412],
    ["DELETE", "/old.txt", "If-Match", '"x"', 412],
    ["PUT", "/old.txt", "If-Unmodified-Since", "Sat, 08 Sep 2001 00:00:00 GMT", 412],
    ["MOVE", "/old.txt", "If-Match", '"x"', 412],
    ["PUT", "/old.txt", "If-Match", "its own", 204],
    ["PUT", "/old.txt", "If-Match", "*", 204],
    ["DELETE", "/old.txt", "If-Match", "its own", 204],
  ];
  for (const [method, target, header, value, status] of rows) {
    await t.step(`${method} ${target} ${header}: ${value}`, async () => {
      const condition = value === "its own" ? await etag() : value;
      const headers = [[header, condition], ["Destination", "/moved.txt"]] as const;
      assertEquals((await site.send(method, target, { body: method === "PUT" ? "new" : "", headers })).status, status);
    });
  }
});

Deno.test("PUT is refused where it cannot be a file, before its content is read", async (t) => {
  await using site = await writable("--upload", "--max-upload", "1K");
  await Deno.symlink("/", site.tree.at("out"));
  const rows: readonly [what: string, target: string, status: number, sent?: Sent][] = [
    ["a directory", "/docs", 409],
    ["a path with a slash at its end", "/x/", 409],
    ["the root", "/", 409],
    ["below a file", "/old.txt/x", 409],
    ["through a link that leaves the root", "/out/tmp/pyserve-was-here", 409],
    ["a hidden name", "/.profile", 403],
    ["below a hidden name", "/.secret/x", 403],
    ["a backslash", "/a%5Cb", 400],
    ["a control character", "/a%0Ab", 400],
    ["an escape character", "/%1b[31m", 400],
    ["NUL", "/a%00b", 400],
    ["an encoded slash", "/a%2fb", 404],
    ["above the root", "/../x", 404],
    ["256 bytes", `/${"a".repeat(256)}`, 400],
    ["a directory of 256 bytes", `/${"a".repeat(256)}/x`, 400],
    ["the name of a part", `/.pyserve-${"0".repeat(32)}.part`, 403],
    ["too large, by Content-Length", "/large", 413, { body: "x".repeat(1025) }],
    ["Content-Range", "/x", 400, { body: "x", headers: [["Content-Range", "bytes 0-0/2"]] }],
    ["Content-Encoding", "/x", 415, { body: "x", headers: [["Content-Encoding", "gzip"]] }],
    ["a digest that is none", "/x", 400, { body: "x", headers: [["Content-Digest", "sha-256=x"]] }],
  ];
  const before = await site.names();
  for (const [what, target, status, sent = { body: "x" }] of rows) {
    await t.step(`${what}: ${status}`, async () => {
      const response = await site.send("PUT", target, withHeaders(sent, JSON_PLEASE));
      assertEquals([response.status, response.headers.get("content-type")], [status, "application/problem+json"]);
      assertEquals(JSON.parse(response.text).status, status);
      assertEquals(await site.names(), before);
    });
  }
  await t.step("too large, without Content-Length: 413, and nothing is kept", async () => {
    const head = "PUT /large HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    const { status } = await raw(site.port, `${head}500\r\n${"x".repeat(0x500)}\r\n0\r\n\r\n`);
    assertEquals([status, await site.names()], [413, before]);
  });
  await t.step("255 bytes and unusual characters are valid in names", async () => {
    for (const name of ["a".repeat(255), "%C3%BC%20%23%3F", "nul.txt", "a:b"]) {
      assertEquals((await site.send("PUT", `/${name}`, { body: "x" })).status, 201);
    }
    assertEquals((await site.send("PUT", `/${"a".repeat(255)}?on-conflict=rename`, { body: "x" })).status, 201);
  });
});

Deno.test("each right has its option, and a missing one is named", async (t) => {
  const body = "x";
  const rows: readonly [option: string, method: string, target: string, missing: string | null, sent?: Sent][] = [
    ["--upload", "PUT", "/n.txt", null],
    ["--upload", "MKCOL", "/d", null, {}],
    ["--upload", "PUT", "/old.txt?on-conflict=overwrite", "--delete"],
    ["--upload", "DELETE", "/old.txt", "--delete"],
    ["--delete", "COPY", "/old.txt", "--upload", { headers: [["Destination", "/c.txt"]] }],
    ["--upload", "COPY", "/old.txt", "--delete", { headers: [["Destination", "/old.txt"], ["Overwrite", "T"]] }],
    ["--upload", "COPY", "/old.txt", null, { headers: [["Destination", "/c.txt"]] }],
    ["--upload", "MOVE", "/old.txt", "--delete", { headers: [["Destination", "/m.txt"]] }],
    ["--delete", "PUT", "/n.txt", "--upload"],
    ["--delete", "PATCH", "/n.txt?upload=12345678", "--upload"],
    ["--delete", "POST", "/", "--upload", form(['name="f"; filename="x"', "x"])],
    ["--delete", "MKCOL", "/d", "--upload", {}],
    ["--delete", "MOVE", "/old.txt", null, { headers: [["Destination", "/m.txt"]] }],
    ["--delete", "DELETE", "/docs/a.txt", null],
  ];
  for (const option of ["--upload", "--delete"]) {
    await using site = await writable(option);
    for (const [, method, target, missing, sent = { body }] of rows.filter(([each]) => each === option)) {
      await t.step(`${option}: ${method} ${target}`, async () => {
        const response = await site.send(method, target, sent);
        assertEquals(response.status === 403, missing !== null);
        if (missing) assertStringIncludes(response.text, ` with ${missing}`);
      });
    }
    const allow = option === "--upload"
      ? "PUT, PATCH, POST, MKCOL, COPY, GET, HEAD, OPTIONS"
      : "DELETE, MOVE, GET, HEAD, OPTIONS";
    assertEquals((await ask(site.port, "OPTIONS", "/")).headers.get("allow"), allow);
  }
  await t.step("without any, nothing is written", async () => {
    await using site = await writable();
    for (const method of ["PUT", "PATCH", "POST", "DELETE"]) {
      assertEquals((await site.send(method, "/old.txt", { body })).status, 405);
    }
    for (const method of ["MKCOL", "MOVE"]) assertEquals((await site.send(method, "/old.txt")).status, 501);
    assertEquals(await site.read("old.txt"), "old");
  });
});

Deno.test("a page of another site cannot write, whatever it sends", async (t) => {
  await using site = await writable("--all");
  const rows: readonly [header: string, value: string, allowed: boolean][] = [
    ["Sec-Fetch-Site", "cross-site", false],
    ["Sec-Fetch-Site", "same-site", false],
    ["Sec-Fetch-Site", "same-origin", true],
    ["Sec-Fetch-Site", "none", true],
    ["Origin", "http://evil.example", false],
    ["Origin", "null", false],
    ["Origin", "http://localhost:1", false],
    ["Origin", "http://localhost", true],
    ["Origin", "https://localhost", true],
    ["Referer", "http://evil.example/page", false],
    ["Referer", "http://localhost/docs/", true],
  ];
  const upload = form(['name="f"; filename="x"', "x"]);
  for (const [header, value, allowed] of rows) {
    await t.step(`${header}: ${value}`, async () => {
      const { status } = await site.send("POST", "/docs/?on-conflict=overwrite", withHeaders(upload, [header, value]));
      assertEquals(status, allowed ? 201 : 403);
    });
  }
  for (const method of ["PUT", "PATCH", "MKCOL", "COPY", "DELETE", "MOVE"]) {
    await t.step(method, async () => {
      const headers = [["Sec-Fetch-Site", "cross-site"], ["Destination", "/m"]] as const;
      assertEquals((await site.send(method, "/old.txt", { headers })).status, 403);
    });
  }
  assertEquals(await site.read("old.txt"), "old");
});

Deno.test("a form stores its files, each by itself, and sends browsers back to the directory", async (t) => {
  await using site = await writable("--upload");
  const files = form(
    ['name="note"', "no file".repeat(10_000)],
    ['name="f"; filename="one.txt"', "1"],
    ['name="f"; filename="größe 😀.txt"', "2"],
    ['name="f"; filename="a %22quoted%22.txt"', "3"],
    ['name="f"; filename="folder/sub/x.txt"', "4"],
    ['name="f"; filename=""', ""],
    [`name="f"; filename="?"; filename*=UTF-8''na%C3%AFve.txt`, "5"],
    ["filename=bare.txt; name=f", ""],
  );
  await t.step("from a browser: 303", async () => {
    const response = await site.send("POST", "/docs/", withHeaders(files, ["Accept", "text/html,*/*;q=0.8"]));
    assertEquals([response.status, response.headers.get("location")], [303, "./"]);
    const names = ["one.txt", "größe 😀.txt", 'a "quoted".txt', "folder/sub/x.txt", "naïve.txt", "bare.txt"];
    const contents = await Promise.all(names.map((name) => site.read(`docs/${name}`)));
    assertEquals(contents, ["1", "2", "3", "4", "5", ""]);
  });
  await t.step("from a program: a list; a refused file does not affect the rest", async () => {
    const some = form(
      ['name="f"; filename="a.txt"', "taken"],
      ['name="f"; filename="../x"', "above"],
      ['name="f"; filename="/etc/x"', "absolute"],
      ['name="f"; filename="a\\b"', "separator"],
      ['name="f"; filename=".hidden"', "hidden"],
      ['name="f"; filename="fine.txt"', "fine"],
    );
    const response = await site.send("POST", "/docs", withHeaders(some, JSON_PLEASE));
    const { files, detail } = JSON.parse(response.text);
    assertEquals(response.status, 409);
    assertStringIncludes(detail, "1 of 6 files was stored");
    assertEquals(files.map(({ status }: { status: number }) => status), [409, 400, 400, 400, 403, 201]);
    assertEquals([await site.read("docs/a.txt"), await site.read("docs/fine.txt")], ["a", "fine"]);
  });
  await t.step("a field before the files sets the conflict policy", async () => {
    const response = await site.send(
      "POST",
      "/docs/",
      form(
        ['name="on-conflict"', "rename"],
        ['name="f"; filename="a.txt"', "another"],
      ),
    );
    assertEquals([response.status, await site.read("docs/a (1).txt")], [201, "another"]);
    const missing = form(['name="on-conflict"', "overwrite"], ['name="f"; filename="a.txt"', "mine"]);
    assertEquals((await site.send("POST", "/docs/", missing)).status, 403);
  });
  await t.step("a name in a response cannot control a terminal", async () => {
    const { text } = await site.send("POST", "/docs/", form(['name="f"; filename="\x1b[31m%0Ared"', "x"]));
    // deno-lint-ignore no-control-regex
    assert(text.includes("red") && !/[\x00-\x09\x0b-\x1f]|\n./.test(text), JSON.stringify(text));
  });
  const rows: readonly [what: string, target: string, sent: Sent, status: number][] = [
    ["to a file", "/old.txt", files, 409],
    ["to nothing", "/absent/", files, 404],
    ["no form", "/docs/", { body: "x", headers: [["Content-Type", "application/x-www-form-urlencoded"]] }, 415],
    ["no boundary", "/docs/", { body: "x", headers: [["Content-Type", "multipart/form-data"]] }, 415],
    ["no file", "/docs/", form(['name="f"; filename=""', ""]), 400],
    ["a policy that is none", "/docs/", form(['name="on-conflict"', "maybe"]), 400],
    ["a policy that is too long", "/docs/", form(['name="on-conflict"', "x".repeat(200)]), 413],
    ["broken off", "/docs/", {
      ...files,
      body: '--XyZ\r\nContent-Disposition: form-data; name="f"; filename="cut"\r\n\r\nx',
    }, 400],
  ];
  for (const [what, target, sent, status] of rows) {
    await t.step(`${what}: ${status}`, async () => {
      assertEquals((await site.send("POST", target, sent)).status, status);
      assert(!(await site.names()).some((name) => name.includes("cut") || name.endsWith(".part")));
    });
  }
});

Deno.test("MKCOL makes a directory", async () => {
  await using site = await writable("--upload");
  const made = await site.send("MKCOL", "/made");
  assertEquals([made.status, made.headers.get("location")], [201, "made/"]);
  const rows: readonly [target: string, status: number, sent?: Sent][] = [
    ["/made/", 405],
    ["/old.txt", 405],
    ["/", 405],
    ["/no/such/parent", 409],
    ["/old.txt/x", 409],
    ["/.git", 403],
    ["/a%5Cb", 400],
    ["/body", 415, { body: "x" }],
  ];
  for (const [target, status, sent] of rows) assertEquals((await site.send("MKCOL", target, sent)).status, status);
});

Deno.test("DELETE removes a file, a link, a directory; a non-empty one only if asked to", async () => {
  await using site = await writable("--delete");
  await Deno.symlink("/etc", site.tree.at("out"));
  await Deno.symlink("docs", site.tree.at("in"));
  const rows: readonly [target: string, status: number][] = [
    ["/", 403],
    ["/?recursive", 403],
    ["/absent", 404],
    ["/old.txt/", 404],
    ["/old.txt/x", 404],
    ["/out/hostname", 404],
    ["/.secret/key", 403],
    ["/.secret?recursive", 403],
    ["/docs/", 409],
    ["/old.txt", 204],
    ["/out", 204],
    ["/in?recursive", 204],
    ["/empty/", 204],
  ];
  for (const [target, status] of rows) {
    assertEquals([target, (await site.send("DELETE", target)).status], [target, status]);
  }
  assertEquals(await site.names(), [".secret/", ".secret/key", "docs/", "docs/a.txt"]);
  assertEquals((await site.send("DELETE", "/docs?recursive")).status, 204);
  assertEquals(await site.names(), [".secret/", ".secret/key"]);
});

Deno.test("COPY duplicates a file or a directory, and replaces a target only if told to", async (t) => {
  await using site = await writable("--all");
  await Deno.symlink("/tmp", site.tree.at("out"));
  const rows: readonly [from: string, to: string, status: number, ...headers: [name: string, value: string][]][] = [
    ["/old.txt", "http://localhost/new%20name.txt", 201],
    ["/old.txt", "/new%20name.txt", 409],
    ["/old.txt", "/new%20name.txt", 412, ["Overwrite", "F"]],
    ["/old.txt", "/new%20name.txt", 204, ["Overwrite", "T"]],
    ["/old.txt", "/other.txt", 412, ["If-Match", '"x"']],
    ["/docs", "/copied/", 201],
    ["/docs", "/shallow", 201, ["Depth", "0"]],
    ["/docs", "/other", 400, ["Depth", "1"]],
    ["/docs", "/docs/inside", 403],
    ["/docs", "/docs", 403],
    ["/old.txt", "/old.txt", 403, ["Overwrite", "T"]],
    ["/docs", "/empty", 409, ["Overwrite", "T"]],
    ["/old.txt", "/empty", 409, ["Overwrite", "T"]],
    ["/old.txt/", "/x", 404],
    ["/absent", "/x", 404],
    ["/out", "/x", 404],
    ["/", "/x", 403],
    ["/old.txt", "/no/such/place", 409],
    ["/old.txt", "/out/pyserve-was-here", 409],
    ["/old.txt", "/.hidden", 403],
    ["/.secret/key", "/key", 404],
    ["/old.txt", "/a%5Cb", 400],
    ["/old.txt", "http://other.example/x", 502],
  ];
  for (const [from, to, status, ...headers] of rows) {
    await t.step(`${from} to ${to} ${headers}: ${status}`, async () => {
      const sent = { headers: [["Destination", to], ...headers] as const };
      assertEquals((await site.send("COPY", from, sent)).status, status);
    });
  }
  assertEquals((await site.send("COPY", "/old.txt")).status, 400);
  // A precondition is about the original, and no permission to replace what is at the destination.
  for (const method of ["COPY", "MOVE"]) {
    const headers = [["Destination", "/docs/a.txt"], ["If-Match", "*"]] as const;
    assertEquals((await site.send(method, "/old.txt", { headers })).status, 409);
  }
  assertEquals([await site.read("old.txt"), await site.read("new name.txt")], ["old", "old"]);
  const renamed = await site.send("COPY", "/docs?on-conflict=rename", { headers: [["Destination", "/docs"]] });
  assertEquals([renamed.status, renamed.headers.get("location")], [201, "docs%20%281%29/"]);
  assertEquals((await site.send("DELETE", "/docs%20(1)?recursive")).status, 204);
  const kept = (await site.names()).filter((name) => !name.startsWith(".secret") && !name.startsWith("docs"));
  assertEquals(kept, [
    "copied/",
    ...await filesIn(site, "docs", "copied"),
    "empty/",
    "new name.txt",
    "old.txt",
    "out",
    "shallow/",
  ]);
});

/** The names of what is in one directory, as if they were in another. */
async function filesIn(site: Awaited<ReturnType<typeof writable>>, from: string, to: string): Promise<string[]> {
  const names = (await site.names()).filter((name) => name.startsWith(`${from}/`) && name !== `${from}/`);
  return names.map((name) => to + name.slice(from.length));
}

Deno.test("MOVE renames a file or a directory, and replaces a target only if told to", async (t) => {
  await using site = await writable("--all");
  await Deno.symlink("/tmp", site.tree.at("out"));
  const rows: readonly [from: string, to: string, status: number, overwrite?: string][] = [
    ["/old.txt", "http://localhost/new%20name.txt", 201],
    ["/new%20name.txt", "/docs/old.txt", 201],
    ["/docs/old.txt", "/docs/a.txt", 412, "F"],
    ["/docs/old.txt", "/docs/a.txt", 409],
    ["/docs/old.txt", "/docs/a.txt", 204, "T"],
    ["/docs", "/renamed/", 201],
    ["/renamed", "/renamed/inside", 403],
    ["/renamed", "/renamed", 403],
    ["/renamed", "/empty", 409],
    ["/renamed", "/empty", 409, "T"],
    ["/renamed/a.txt", "/empty", 409, "T"],
    ["/absent", "/x", 404],
    ["/", "/x", 403],
    ["/renamed/a.txt", "/no/such/place", 409],
    ["/renamed/a.txt", "/out/pyserve-was-here", 409],
    ["/renamed/a.txt", "/.hidden", 403],
    ["/.secret/key", "/key", 403],
    ["/renamed/a.txt", "/a%5Cb", 400],
    ["/renamed/a.txt", "/../x", 404],
    ["/renamed/a.txt", "http://other.example/x", 502],
    ["/renamed/a.txt", "//other.example/x", 400],
    ["/renamed/a.txt", "x.txt", 400],
  ];
  for (const [from, to, status, overwrite] of rows) {
    await t.step(`${from} to ${to}${overwrite ? `, Overwrite: ${overwrite}` : ""}: ${status}`, async () => {
      const headers = [["Destination", to], ...overwrite ? [["Overwrite", overwrite] as const] : []] as const;
      assertEquals((await site.send("MOVE", from, { headers })).status, status);
    });
  }
  assertEquals((await site.send("MOVE", "/renamed/a.txt")).status, 400);
  assertEquals(await site.read("renamed/a.txt"), "old");
  const renamed = await site.send("MOVE", "/renamed/a.txt?on-conflict=rename", {
    headers: [["Destination", "/renamed"]],
  });
  assertEquals(renamed.headers.get("location"), "../renamed%20%281%29");
  assertEquals((await site.names()).filter((name) => !name.startsWith(".secret")), [
    "empty/",
    "out",
    "renamed (1)",
    "renamed/",
  ]);
});

for (const engine of [[], ["-p", "HTTP/1.0"]]) {
  const name = ["what is behind # in a target is not cut off, so nothing else is deleted or written", ...engine].join(
    " ",
  );
  Deno.test(name, async () => {
    await using site = await writableSite(["--all", ...engine], { clockAhead: true }); // so that responses are cached
    const before = await site.names();
    const rows: readonly [method: string, target: string, destination?: string][] = [
      ["DELETE", "/docs/#old"],
      ["DELETE", "/docs?recursive#old"],
      ["DELETE", "/old.txt#x"],
      ["DELETE", "http://localhost/old.txt#x"],
      ["PUT", "/new#b"],
      ["PUT", "/#"],
      ["PATCH", "/new?upload=12345678#b"],
      ["MKCOL", "/made#b"],
      ["POST", "/docs/#b"],
      ["GET", "/old.txt#x"],
      ["GET", "/old.txt?x#x"],
      ["MOVE", "/old.txt#x", "/new"],
      ["MOVE", "/old.txt", "/new#b"],
      ["MOVE", "/old.txt", "http://localhost/new#b"],
    ];
    for (let round = 0; round < 3; round++) await ask(site.port, "GET", "/old.txt?x");
    for (const [method, target, destination] of rows) {
      const headers = [["Upload-Offset", "0"], ...destination ? [["Destination", destination] as const] : []] as const;
      const { status } = await site.send(method, target, method === "GET" ? {} : { body: "", headers });
      assertEquals([method, target, status], [method, target, 400]);
    }
    assertEquals(await site.names(), before);
  });
}

Deno.test("MOVE of a link over a file does not change the link's target", async () => {
  await using site = await writable("--all");
  await using elsewhere = await tempTree({ "private.txt": "mine" });
  const target = elsewhere.at("private.txt");
  await Deno.chmod(target, 0o600);
  await Deno.chmod(site.tree.at("old.txt"), 0o666);
  await Deno.symlink(target, site.tree.at("link"));
  const headers = [["Destination", "/old.txt"], ["Overwrite", "T"]] as const;
  assertEquals((await site.send("MOVE", "/link", { headers })).status, 204);
  assertEquals(await Deno.readLink(site.tree.at("old.txt")), target);
  assertEquals((await Deno.stat(target)).mode! & 0o777, 0o600);
});

Deno.test("an upload in pieces continues at its offset, and its file appears when it is complete", async (t) => {
  await using site = await writable("--all", "--max-upload", "1M");
  const piece = (target: string, body: string, ...headers: (readonly [string, string])[]) =>
    site.send("PATCH", target, { body, headers });
  const at = (offset: number) => ["Upload-Offset", String(offset)] as const;
  const LAST = ["Upload-Complete", "?1"] as const;
  const upload = "/big.bin?upload=0123-4567";
  await t.step("the first piece begins it", async () => {
    const response = await piece(upload, "hello", at(0));
    assertEquals([response.status, response.headers.get("upload-offset")], [204, "5"]);
  });
  await t.step("HEAD and GET report its offset, and it is otherwise invisible", async () => {
    const head = await ask(site.port, "HEAD", upload);
    assertEquals([head.status, head.headers.get("upload-offset"), head.headers.get("upload-complete")], [
      200,
      "5",
      "?0",
    ]);
    assertEquals(JSON.parse((await ask(site.port, "GET", upload)).text), { offset: 5, complete: false });
    assertEquals((await ask(site.port, "GET", "/big.bin")).status, 404);
    assertEquals((await ask(site.port, "HEAD", "/big.bin?upload=another-id")).status, 404);
    assertEquals((await ask(site.port, "HEAD", "/other.bin?upload=0123-4567")).status, 404);
  });
  await t.step("a wrong offset is 409 with the right one", async () => {
    const response = await piece(upload, "x", at(3), JSON_PLEASE);
    assertEquals([response.status, response.headers.get("upload-offset")], [409, "5"]);
    const problem = JSON.parse(response.text);
    assertEquals([problem["expected-offset"], problem["provided-offset"]], [5, 3]);
    assertEquals((await piece("/x?upload=unknown-id", "x", at(7))).headers.get("upload-offset"), "0");
  });
  await t.step("a piece with a wrong digest is discarded", async () => {
    const response = await piece(upload, " world", at(5), ["Content-Digest", await sha256(noise(3))]);
    assertEquals([response.status, (await ask(site.port, "HEAD", upload)).headers.get("upload-offset")], [400, "5"]);
  });
  await t.step("the last piece completes the file; a client that missed the response can ask", async () => {
    const whole = await sha256(new TextEncoder().encode("hello world"));
    const response = await piece(upload, " world", at(5), LAST, ["Repr-Digest", whole]);
    assertEquals([response.status, response.headers.get("location")], [201, "big.bin"]);
    assertEquals(await site.read("big.bin"), "hello world");
    assertEquals((await ask(site.port, "HEAD", upload)).headers.get("upload-complete"), "?1");
    assertEquals((await piece(upload, "x", at(11))).status, 400);
    await site.send("DELETE", "/big.bin");
    assertEquals((await ask(site.port, "HEAD", upload)).status, 404);
    assertEquals((await piece(upload, "again", at(0), LAST)).status, 201);
  });
  await t.step("if the name is taken at the end, another policy can still store it", async () => {
    const late = "/late.txt?upload=late-upload";
    await piece(late, "late", at(0));
    await site.send("PUT", "/late.txt", { body: "first" });
    assertEquals((await piece(late, "", at(4), LAST)).status, 409);
    const stored = await piece(`${late}&on-conflict=rename`, "", at(4), LAST);
    assertEquals([stored.status, await site.read("late (1).txt")], [201, "late"]);
  });
  await t.step("PUT with Upload-Complete: ?0 begins one with an id chosen by the server", async () => {
    const begun = await site.send("PUT", "/put.txt", { body: "ab", headers: [["Upload-Complete", "?0"]] });
    const location = begun.headers.get("location")!;
    assertMatch(location, /^put\.txt\?upload=[\w-]{36}$/);
    assertEquals((await piece(`/${location}`, "cd", at(2), ["Upload-Length", "4"])).status, 201);
    assertEquals(await site.read("put.txt"), "abcd");
  });
  await t.step("lengths that cannot be combined, or are too much, are refused", async () => {
    assertEquals((await piece("/l?upload=lengths-1", "abc", at(0), ["Upload-Length", "2"])).status, 400);
    assertEquals((await piece("/l?upload=lengths-1", "abc", at(0), LAST, ["Upload-Length", "4"])).status, 400);
    assertEquals((await piece("/l?upload=lengths-2", "abc", at(0), ["Upload-Length", "2000000"])).status, 413);
    assertEquals((await piece("/l?upload=short", "abc", at(0))).status, 400);
    assertEquals((await piece("/l?upload=no-offset", "abc")).status, 400);
    assertEquals((await piece("/l", "abc", at(0))).status, 400);
    assertEquals((await piece("/l?upload=bad-complete", "abc", at(0), ["Upload-Complete", "yes"])).status, 400);
  });
  await t.step("DELETE cancels it", async () => {
    await piece("/gone?upload=given-up", "abc", at(0));
    assertEquals((await site.send("DELETE", "/gone?upload=given-up")).status, 204);
    assertEquals((await site.send("DELETE", "/gone?upload=given-up")).status, 404);
    assertEquals((await ask(site.port, "HEAD", "/gone?upload=given-up")).status, 404);
  });
  await site.send("DELETE", "/l?upload=lengths-1");
  assertEquals((await site.names()).filter((name) => name.includes(".part")), []);
});

Deno.test("a file with a wrong checksum leaves nothing, in one piece or in several", async () => {
  await using site = await writable("--upload");
  const body = noise(300_000);
  const [right, wrong] = [await sha256(body), await sha256(noise(10))];
  for (const header of ["Content-Digest", "Repr-Digest"]) {
    const target = `/${header}`;
    assertEquals((await site.send("PUT", target, { body, headers: [[header, wrong]] })).status, 400);
    assertEquals((await ask(site.port, "GET", target)).status, 404);
    assertEquals((await site.send("PUT", target, { body, headers: [[header, `md5=:AAAA:, ${right}`]] })).status, 201);
  }
  const piece = "/p?upload=in-pieces";
  await site.send("PATCH", piece, { body, headers: [["Upload-Offset", "0"]] });
  const end = [["Upload-Offset", "300000"], ["Upload-Complete", "?1"], ["Repr-Digest", wrong]] as const;
  assertEquals((await site.send("PATCH", piece, { body: "", headers: end })).status, 400);
  assertEquals((await site.names()).filter((name) => name.startsWith("p") || name.endsWith(".part")), []);
});

Deno.test("parts are never listed nor served, even with --hidden", async () => {
  await using site = await writable("--all", "--hidden");
  await site.send("PATCH", "/x?upload=12345678", { body: "part", headers: [["Upload-Offset", "0"]] });
  const part = (await site.names()).find((name) => name.endsWith(".part"))!;
  assertEquals((await ask(site.port, "GET", `/${part}`)).status, 404);
  const { text } = await ask(site.port, "GET", "/?format=json");
  assert(text.includes(".secret") && !text.includes(part));
  assertEquals((await site.send("DELETE", `/${part}`)).status, 404);
  assertEquals((await site.send("PUT", `/${part}`, { body: "x" })).status, 400);
  assertEquals((await site.send("MOVE", `/${part}`, { headers: [["Destination", "/mine"]] })).status, 404);
  assertEquals((await site.send("MOVE", "/old.txt", { headers: [["Destination", `/${part}`]] })).status, 400);
  assertEquals((await site.send("PUT", "/.hidden/x", { body: "x" })).status, 201);
});

Deno.test("a writable server listens on loopback only, unless an address is given, and says so", async () => {
  await using tree = await tempTree();
  const said = async (...args: string[]) => {
    const all = ["run", "--no-lock", "-A", CLI, tree.path, "0", ...args];
    await using command = await startProcess(Deno.execPath(), all);
    await command.stop();
    return command.stdout();
  };
  const confined = await said("--upload");
  assertStringIncludes(confined, "Serving HTTP on 127.0.0.1");
  assertStringIncludes(confined, "only on this machine, because of --upload");
  assertStringIncludes(await said("--all"), "only on this machine, because of --all");
  const open = await said("--upload", "--bind", "0.0.0.0");
  assertStringIncludes(open, "Serving HTTP on 0.0.0.0");
  assert(!open.includes("only on this machine"));
});

Deno.test("options for uploads need the option that allows them", async (t) => {
  const rows: readonly [args: string[], sentence: string][] = [
    [["--on-conflict", "fail"], "The option --on-conflict needs --upload or --delete or --all"],
    [["--max-upload", "1M", "--delete"], "The option --max-upload needs --upload or --all"],
    [["--upload", "--on-conflict", "overwrite"], "The option --on-conflict overwrite needs --delete"],
    [["--upload", "--on-conflict", "ask"], 'Cannot use --on-conflict "ask": it must be fail, rename or overwrite'],
    [["--upload", "--max-upload", "much"], 'Cannot use --max-upload "much": it is not a size such as 64M'],
  ];
  for (const [args, sentence] of rows) {
    await t.step(args.join(" "), async () => {
      const { code, stderr } = await runCommand(args);
      assertEquals(code, 2);
      assertStringIncludes(stderr, sentence);
    });
  }
});

Deno.test("the handler works on its own, below a mount, and only with a writable source", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const fetch = toFetch(fileServer(tree.path, { features: uploadFeatures({ maxBytes: 10 }), log: false }));
  const put = await fetch(new Request("http://localhost/b.txt", { method: "PUT", body: "b" }));
  assertEquals([put.status, await Deno.readTextFile(tree.at("b.txt"))], [201, "b"]);
  const { headers } = await fetch(new Request("http://localhost/", { method: "OPTIONS" }));
  assertEquals(headers.get("upload-limit"), "max-size=10, max-age=86400");
  // Features are independent of a server: several can share them.
  await using other = await tempTree();
  const features = uploadFeatures();
  for (const { path } of [tree, other]) {
    const fetch = toFetch(fileServer(path, { features, log: false }));
    await fetch(new Request("http://localhost/both.txt", { method: "PUT", body: path }));
  }
  assertEquals([await Deno.readTextFile(tree.at("both.txt")), await Deno.readTextFile(other.at("both.txt"))], [
    tree.path,
    other.path,
  ]);
  let thrown: unknown;
  try {
    upload(memory({}));
  } catch (error) {
    thrown = error;
  }
  assert(thrown instanceof TypeError);
});

/** A custom chain, whose uploads are kept away from programs only by its filtered source. */
async function writableByHand() {
  const tree = await tempTree({ "docs/a.txt": "a" });
  const handler = chain(upload(cgiContent(disk(tree.path)), { rights: { create: true, change: true } }));
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, toFetch(handler));
  return {
    tree,
    send: (method: string, target: string, sent: Sent = {}) => send(server.addr.port, method, target, sent),
    names: () => namesBelow(tree.path),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("nothing is moved into or out of a directory of programs through a link to it", async () => {
  await using site = await writableByHand();
  await Deno.mkdir(site.tree.at("cgi-bin/sub"), { recursive: true });
  await Deno.writeTextFile(site.tree.at("cgi-bin/run"), "#!/bin/sh\n", { mode: 0o755 });
  await Deno.writeTextFile(site.tree.at("tool"), "#!/bin/sh\n", { mode: 0o755 });
  await Deno.symlink("cgi-bin", site.tree.at("link"));
  const before = await site.names();
  const to = (path: string) => ({ headers: [["Destination", path]] as const });
  for (
    const [method, target, sent] of [
      ["PUT", "/link/new", { body: "x" }],
      ["PUT", "/link/sub/deeper/new", { body: "x" }],
      ["PATCH", "/link/new?upload=12345678", { body: "x", headers: [["Upload-Offset", "0"]] }],
      ["MKCOL", "/link/made", {}],
      ["MOVE", "/tool", to("/link/tool")],
      ["MOVE", "/tool?on-conflict=rename", to("/link/sub/tool")],
      ["MOVE", "/link/sub", to("/sub")],
    ] as readonly (readonly [string, string, Sent])[]
  ) {
    assertEquals([method, target, (await site.send(method, target, sent)).status], [method, target, 403]);
  }
  assertEquals(await site.names(), before);
  assertEquals((await site.send("PUT", "/docs/new/b.txt", { body: "x" })).status, 201);
  assertEquals((await site.send("MOVE", "/tool", to("/docs/tool"))).status, 201);
});
