/** The state of a resumable upload: shared by all processes, kept over a restart, and removed when it is of no use. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { disk, SitePath } from "@x/pyserve";
import { start } from "../support/command.ts";
import { interposed } from "../support/interposed.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";
import { beginRequest, headOf, namesBelow, send, sha256 } from "../support/upload.ts";
import { until, within } from "../support/wait.ts";

const ID = "abcdefgh12345678";
const TARGET = `/w.txt?upload=${ID}`;
const at = (offset: number) => ["Upload-Offset", String(offset)] as const;
const LAST = ["Upload-Complete", "?1"] as const;
const MORE = ["Upload-Complete", "?0"] as const;
const JSON_PLEASE = ["Accept", "application/json"] as const;

/** The command with its own directory. */
async function site(...args: string[]) {
  const tree = await tempTree();
  const command = await start([tree.path, "--quiet", "--all", ...args]);
  return {
    tree,
    command,
    port: command.port,
    send: (method: string, target: string, body: string | Uint8Array, ...headers: (readonly [string, string])[]) =>
      send(command.port, method, target, { body, headers }),
    head: async (target: string) => {
      const { status, headers } = await ask(command.port, "HEAD", target);
      return { status, offset: headers.get("upload-offset"), complete: headers.get("upload-complete"), headers };
    },
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Names that are neither listed nor served. */
const hiddenBelow = async (directory: string) =>
  (await namesBelow(directory)).filter((name) => name.includes(".pyserve"));

Deno.test("every worker knows of a finished upload, and so does the server after a restart", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using tree = await tempTree();
  for (const args of [["--workers=2"], []]) {
    await using command = await start([tree.path, "--quiet", "--upload", ...args]);
    if (args.length > 0) {
      const headers = [at(0), LAST];
      assertEquals((await send(command.port, "PATCH", TARGET, { body: "hi", headers })).status, 201);
    }
    for (let i = 0; i < 12; i++) {
      const { status, headers } = await ask(command.port, "HEAD", TARGET);
      const told = ["upload-complete", "upload-offset", "upload-length"].map((name) => headers.get(name));
      assertEquals([status, ...told], [200, "?1", "2", "2"]);
    }
    const again = await send(command.port, "PATCH", TARGET, { body: "hi", headers: [at(0), LAST, JSON_PLEASE] });
    assertEquals([again.status, again.headers.get("upload-complete")], [400, "?1"]);
    assertMatch(JSON.parse(again.text).type, /#completed-upload$/);
  }
  assertEquals(await Deno.readTextFile(tree.at("w.txt")), "hi");
});

Deno.test("the parameters of the first request apply to those that follow, even after a restart", async () => {
  await using tree = await tempTree({ "w.txt": "old" });
  const body = noise(1_000);
  const digest = await sha256(body);
  {
    await using first = await start([tree.path, "--quiet", "--all"]);
    const headers = [MORE, ["Upload-Length", "1000"], ["Repr-Digest", digest]] as const;
    const begun = await send(first.port, "PUT", `${TARGET}&on-conflict=rename`, {
      body: body.subarray(0, 400),
      headers,
    });
    assertEquals([begun.status, begun.headers.get("upload-offset")], [201, "400"]);
  }
  await using second = await start([tree.path, "--quiet", "--all"], { clockAhead: true }); // for a strong tag
  const { headers } = await ask(second.port, "HEAD", TARGET);
  assertEquals([headers.get("upload-offset"), headers.get("upload-length")], ["400", "1000"]);
  const other = await send(second.port, "PATCH", TARGET, { body: "", headers: [at(400), ["Upload-Length", "999"]] });
  assertEquals(other.status, 400);
  const ended = await send(second.port, "PATCH", TARGET, { body: body.subarray(400), headers: [at(400)] });
  assertEquals(ended.status, 201); // complete by the announced length, and renamed because of the existing file
  assertEquals(await Deno.readFile(tree.at("w (1).txt")), body);
  assertEquals((await ask(second.port, "HEAD", TARGET)).headers.get("upload-complete"), "?1");
  const replacing = `/w.txt?upload=${ID}-2`;
  const tag = async () => (await ask(second.port, "HEAD", "/w.txt")).headers.get("etag")!;
  const conditional = [MORE, ["If-Match", await tag()]] as const;
  assertEquals((await send(second.port, "PUT", replacing, { body: "new", headers: conditional })).status, 201);
  await Deno.writeTextFile(tree.at("w.txt"), "changed meanwhile");
  assertEquals((await send(second.port, "PATCH", replacing, { body: "", headers: [at(3), LAST] })).status, 412);
  assertEquals(await Deno.readTextFile(tree.at("w.txt")), "changed meanwhile");
  const wrong = `/x.txt?upload=${ID}`;
  await send(second.port, "PUT", wrong, { body: "abc", headers: [MORE, ["Repr-Digest", digest]] });
  assertEquals((await send(second.port, "PATCH", wrong, { body: "", headers: [at(3), LAST] })).status, 400);
});

Deno.test("an announced length is recorded, reported, and not exceeded", async (t) => {
  await using server = await site("--max-upload", "1M");
  const begun = await server.send("PUT", "/a.bin", "", MORE, ["Upload-Length", "100"]);
  const told = ["upload-complete", "upload-offset", "upload-limit"].map((name) => begun.headers.get(name));
  assertEquals([begun.status, ...told], [201, "?0", "0", "max-size=1048576, max-age=86400"]);
  const target = new URL(begun.headers.get("location")!, "http://localhost/a.bin").href.slice(
    "http://localhost".length,
  );
  const chunked = (body: string, ...lines: string[]) => {
    const head = [`PATCH ${target} HTTP/1.1`, "Host: localhost", "Transfer-Encoding: chunked", "Connection: close"];
    return raw(server.port, [...head, ...lines, "", body.length.toString(16), body, "0", "", ""].join("\r\n"));
  };
  const isAt = async (offset: string) => {
    const { status, headers } = await server.head(target);
    const said = ["upload-offset", "upload-length", "upload-limit"].map((name) => headers.get(name));
    assertEquals([status, ...said], [200, offset, "100", "max-size=1048576, max-age=86400"]);
  };
  await t.step("HEAD tells it", () => isAt("0"));
  const rows: readonly [what: string, offset: number, bytes: number, ...(readonly [string, string])[]][] = [
    ["too much, by Content-Length", 0, 101],
    ["too much, with the end", 0, 101, LAST],
    ["too little for the end", 0, 99, LAST],
    ["another length", 0, 1, ["Upload-Length", "99"]],
  ];
  for (const [what, offset, bytes, ...headers] of rows) {
    await t.step(`${what}: 400, and nothing is kept`, async () => {
      const answer = await server.send("PATCH", target, noise(bytes), at(offset), JSON_PLEASE, ...headers);
      assertEquals(answer.status, 400);
      assertMatch(JSON.parse(answer.text).type, /#inconsistent-upload-length$/);
      await isAt("0");
    });
  }
  await t.step("too much, without Content-Length: 400, and nothing is kept", async () => {
    assertEquals((await chunked("x".repeat(101), "Upload-Offset: 0")).status, 400);
    await isAt("0");
    assertEquals((await chunked("x".repeat(60), "Upload-Offset: 0", "Upload-Complete: ?0")).status, 204);
    assertEquals((await chunked("x".repeat(41), "Upload-Offset: 60")).status, 400);
    assertEquals((await chunked("x".repeat(39), "Upload-Offset: 60", "Upload-Complete: ?1")).status, 400); // too little
    await isAt("60");
  });
  await t.step("the last piece tells the offset", async () => {
    const last = await server.send("PATCH", target, "x".repeat(40), at(60), LAST);
    const said = ["upload-complete", "upload-offset"].map((name) => last.headers.get(name));
    assertEquals([last.status, ...said], [201, "?1", "100"]);
    assertEquals((await Deno.stat(server.tree.at("a.bin"))).size, 100);
  });
});

Deno.test("HEAD and DELETE of an upload may not have content", async () => {
  await using server = await site();
  await server.send("PATCH", TARGET, "abc", at(0));
  for (const header of ["Upload-Offset: 3", "Upload-Complete: ?1"]) {
    for (const method of ["HEAD", "GET", "DELETE"]) {
      assertEquals((await ask(server.port, method, TARGET, header)).status, 400);
    }
  }
  assertEquals((await server.head(TARGET)).offset, "3");
});

Deno.test("POST creates an upload: at the path of a file, or in a directory under the given name", async (t) => {
  await using server = await site();
  await Deno.mkdir(server.tree.at("docs"));
  const name = (text: string) => `filename ${btoa(text)},filetype dGV4dC9wbGFpbg==`;
  const rows: readonly [what: string, target: string, file: string | RegExp, ...(readonly [string, string])[]][] = [
    ["the path of a file", "/new/a.txt", "new/a.txt", MORE],
    ["the media type of the draft", "/b.txt", "b.txt", MORE, ["Content-Type", "application/partial-upload"]],
    ["a directory", "/docs/", "docs/c.txt", MORE, ["Content-Disposition", 'attachment; filename="c.txt"']],
    ["without its slash", "/docs", "docs/d.txt", MORE, ["Content-Disposition", "attachment; filename*=UTF-8''d.txt"]],
    ["a path for a name", "/docs/", "docs/e.txt", MORE, ["Content-Disposition", 'attachment; filename="/x/../e.txt"']],
    ["as tus clients name it", "/docs/", "docs/f.txt", MORE, ["Upload-Metadata", name("f.txt")]],
    ["no name", "/docs/", /^docs\/upload-[\da-f]{8}$/, MORE],
    ["where the name is taken", "/b.txt?on-conflict=rename", "b (1).txt", MORE],
  ];
  for (const [what, target, file, ...headers] of rows) {
    await t.step(what, async () => {
      const before = await namesBelow(server.tree.path);
      const begun = await server.send("POST", target, "ab", ["Upload-Length", "4"], ...headers);
      assertEquals([begun.status, begun.headers.get("upload-offset")], [201, "2"]);
      const { pathname, search } = new URL(begun.headers.get("location")!, `http://localhost${target}`);
      assertEquals((await server.send("PATCH", pathname + search, "cd", at(2), LAST)).status, 201);
      const made = (await namesBelow(server.tree.path)).filter((each) =>
        !before.includes(each) && !/\.pyserve|\/$/.test(each)
      );
      assertEquals(made.length, 1, String(made));
      if (typeof file === "string") assertEquals(made[0], file);
      else assertMatch(made[0]!, file);
      assertEquals(await Deno.readTextFile(server.tree.at(made[0]!)), "abcd");
    });
  }
  await t.step("all at once", async () => {
    const before = await hiddenBelow(server.tree.path);
    const whole = await server.send("POST", "/whole.txt", "all", LAST);
    const told = ["upload-complete", "upload-offset"].map((name) => whole.headers.get(name));
    assertEquals([whole.status, ...told], [201, "?1", "3"]);
    assertEquals(await hiddenBelow(server.tree.path), before); // nothing is recorded for an unknown id
  });
  const refused: readonly [target: string, status: number, ...(readonly [string, string])[]][] = [
    ["/b.txt", 409, MORE],
    ["/b.txt/", 409, MORE],
    ["/absent/", 404, MORE],
    ["/docs/", 403, MORE, ["Content-Disposition", 'attachment; filename=".hidden"']],
    ["/docs/", 400, MORE, ["Content-Disposition", 'attachment; filename=".."']],
    ["/docs/", 400, MORE, ["Content-Disposition", "="]],
    ["/docs/", 400, MORE, ["Upload-Metadata", "filename /w=="]],
    ["/docs/", 415, MORE, ["Content-Encoding", "gzip"]],
    ["/docs/", 415],
  ];
  for (const [target, status, ...headers] of refused) {
    assertEquals([target, headers, (await server.send("POST", target, "x", ...headers)).status], [
      target,
      headers,
      status,
    ]);
  }
  const options = await ask(server.port, "OPTIONS", "/");
  assertEquals(options.headers.get("accept-post"), "multipart/form-data, application/partial-upload");
  assertEquals(options.headers.get("upload-limit"), "max-age=86400");
});

Deno.test("an interrupted first piece leaves nothing if its client does not know the id", async () => {
  await using server = await site();
  const content = noise(400_000);
  const head = headOf("POST", "/a.bin", { body: new Uint8Array(1_000_000), headers: [MORE] });
  const connection = await beginRequest(server.port, head, content);
  await until(async () => (await hiddenBelow(server.tree.path)).length > 0);
  connection.close();
  await until(async () => (await namesBelow(server.tree.path)).length === 0);
});

Deno.test("an upload is taken over from a hanging request in another process", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using first = await site();
  await using second = await start([first.tree.path, "--quiet", "--upload"]);
  const bytes = noise(600_000);
  const head = headOf("PATCH", TARGET, { body: bytes, headers: [at(0)] });
  using hanging = await beginRequest(first.port, head, bytes.subarray(0, 300_000));
  await until(async () => Number((await first.head(TARGET)).offset) > 0);
  const refused = await send(second.port, "PATCH", TARGET, { body: "", headers: [at(1)] });
  assertEquals([refused.status, refused.headers.get("upload-offset")], [409, "300000"]);
  const buffer = new Uint8Array(1_000);
  const count = await hanging.read(buffer);
  assertMatch(new TextDecoder().decode(buffer.subarray(0, count!)), /^HTTP\/1\.1 409 /); // it was notified
  const headers = [at(300_000), LAST];
  const ended = await send(second.port, "PATCH", TARGET, { body: bytes.subarray(300_000), headers });
  assertEquals(ended.status, 201);
  assertEquals(await Deno.readFile(first.tree.at("w.txt")), bytes);
  assertEquals((await hiddenBelow(first.tree.path)).filter((name) => !name.endsWith(".upload")), []);
  assertEquals((await first.head(TARGET)).complete, "?1");
});

Deno.test("a creation or a cancellation takes an upload over from another process", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using first = await site();
  await using second = await start([first.tree.path, "--quiet", "--upload"]);
  const head = headOf("PUT", TARGET, { body: new Uint8Array(600_000), headers: [MORE] });
  const hang = async () => {
    const connection = await beginRequest(first.port, head, new Uint8Array(300_000));
    await until(async () => Number((await first.head(TARGET)).offset) > 0);
    return connection;
  };
  {
    using _hanging = await hang();
    assertEquals((await send(second.port, "DELETE", TARGET)).status, 204);
  }
  {
    using _hanging = await hang();
    assertEquals((await send(second.port, "PUT", TARGET, { body: "new", headers: [LAST] })).status, 201);
  }
  assertEquals(await Deno.readTextFile(first.tree.at("w.txt")), "new");
  assertEquals((await hiddenBelow(first.tree.path)).filter((name) => !name.endsWith(".upload")), []);
});

Deno.test("a record is private, and invisible to clients", async () => {
  await using server = await site("--hidden");
  await server.send("PATCH", TARGET, "abc", at(0), ["Upload-Length", "6"]);
  await server.send("PATCH", `/done.txt?upload=${ID}`, "abc", at(0), LAST);
  const kept = await hiddenBelow(server.tree.path);
  assertEquals(kept.map((name) => name.replace(/.*\./, "")).sort(), ["part", "upload", "upload"]);
  for (const name of kept) {
    if (Deno.build.os !== "windows" && name.endsWith(".upload")) {
      assertEquals((await Deno.stat(server.tree.at(name))).mode! & 0o777, 0o600);
    }
    assertEquals((await ask(server.port, "GET", `/${name}`)).status, 404);
    assertEquals((await server.send("DELETE", `/${name}`, "")).status, 404);
    assertEquals((await server.send("PUT", `/${name}`, "x")).status, 400);
    assertEquals((await server.send("MOVE", "/done.txt", "", ["Destination", `/${name}`])).status, 400);
  }
  for (const target of ["/?format=json", "/?q=pyserve", "/?archive=tar"]) {
    const { status, text } = await ask(server.port, "GET", target, "Accept: application/json");
    assertEquals([status, /\.pyserve[.-][0-9a-f]{32}/.test(text)], [200, false]);
  }
  // A directory with nothing else in it is empty.
  await server.send("PATCH", `/sub/x.txt?upload=${ID}`, "abc", at(0), LAST);
  await server.send("DELETE", "/sub/x.txt", "");
  assertEquals((await server.send("DELETE", "/sub", "")).status, 204);
});

Deno.test("DELETE of a finished upload removes its record, not its file; a changed file is not a finished upload", async () => {
  await using server = await site();
  await server.send("PATCH", TARGET, "abc", at(0), LAST);
  assertEquals((await server.send("DELETE", TARGET, "")).status, 204);
  assertEquals((await server.send("DELETE", TARGET, "")).status, 404);
  assertEquals([(await server.head(TARGET)).status, await namesBelow(server.tree.path)], [404, ["w.txt"]]);
  await server.send("PATCH", `${TARGET}&on-conflict=overwrite`, "def", at(0), LAST);
  assertEquals((await server.head(TARGET)).complete, "?1");
  await server.send("PUT", "/w.txt?on-conflict=overwrite", "other");
  assertEquals((await server.head(TARGET)).status, 404);
  assertEquals((await server.send("PATCH", `${TARGET}&on-conflict=overwrite`, "ghi", at(0), LAST)).status, 204);
  assertEquals((await server.head(TARGET)).complete, "?1");
});

Deno.test("a claim ends when its part is taken or absent, and a record is removed with its part", async () => {
  await using tree = await tempTree();
  const writer = await disk(tree.path).openWriter!();
  const path = SitePath.root.child("a.txt")!;
  const names = async () => (await namesBelow(tree.path)).map((name) => name.replace(/.*\./, ""));
  await writer.claim(path, ID);
  await writer.claim(path, ID); // by another waiting request
  assertEquals([await names(), await writer.resume(path, ID), await names()], [["claim"], null, []]);
  await writer.claim(path, ID);
  const part = await writer.create(path, ID);
  assertEquals([await names(), part.isClaimed()], [["part"], false]);
  await writer.claim(path, ID);
  assert(part.isClaimed());
  await part.keep();
  const resumed = await writer.resume(path, ID);
  assert(!resumed!.isClaimed());
  await resumed!.note("notes");
  await resumed!.discard();
  assertEquals(await names(), []);
});

Deno.test("a record expires with its part, and not before it", async () => {
  await using tree = await tempTree({ "sub/": "" });
  const writer = await disk(tree.path).openWriter!();
  const path = (name: string) => SitePath.root.child("sub")!.child(name)!;
  const make = async (name: string) => {
    const part = await writer.create(path(name), ID);
    await part.note("notes");
    await part.write(new Uint8Array(1));
    return part;
  };
  await (await make("kept")).keep();
  const done = await make("done");
  await done.commit({ paths: [path("done")], replace: false, notes: "notes" });
  const age = async (name: string) => await Deno.utime(tree.at(name), 1_000_000_000, 1_000_000_000);
  const named = async () => (await namesBelow(tree.path)).map((name) => name.replace(/\.pyserve[.-]\w+/, "")).sort();
  assertEquals(await named(), ["sub/", "sub/.part", "sub/.upload", "sub/.upload", "sub/done"]);
  for (const name of await namesBelow(tree.path)) if (name.endsWith(".upload")) await age(name);
  await writer.sweep(1_000);
  assertEquals(await named(), ["sub/", "sub/.part", "sub/.upload", "sub/done"]);
  assertEquals((await writer.recall(path("kept"), ID))?.notes, "notes");
  assertEquals(await writer.recall(path("done"), ID), null);
  for (const name of await namesBelow(tree.path)) if (name.endsWith(".part")) await age(name);
  await writer.sweep(1_000);
  assertEquals(await named(), ["sub/", "sub/done"]);
});

Deno.test("a truncated or foreign record is ignored", async () => {
  await using tree = await tempTree();
  const writer = await disk(tree.path).openWriter!();
  const path = SitePath.root.child("a.txt")!;
  const part = await writer.create(path, ID);
  await part.note("notes");
  await part.keep();
  const name = tree.at((await namesBelow(tree.path)).find((each) => each.endsWith(".upload"))!);
  const rows = [
    "",
    "{",
    "null",
    "[]",
    '{"notes":1,"finished":null}',
    '{"notes":"x","finished":{"name":1,"version":"v"}}',
    '{"notes":"x","finished":{"name":"../etc","version":"v"}}',
    `{"notes":"${"x".repeat(70_000)}","finished":null}`,
  ];
  for (const text of rows) {
    await Deno.writeTextFile(name, text);
    assertEquals([text, await writer.recall(path, ID)], [text, null]);
  }
  await Deno.remove(name);
  if (Deno.build.os !== "windows") {
    await Deno.writeTextFile(tree.at("other"), '{"notes":"x","finished":null}');
    await Deno.symlink(tree.at("other"), name);
    assertEquals(await writer.recall(path, ID), null);
    // Writing a record replaces a link, and never writes through it.
    const resumed = await writer.resume(path, ID);
    await resumed!.note("mine");
    await resumed!.keep();
    assertEquals((await writer.recall(path, ID))?.notes, "mine");
    assert((await Deno.readTextFile(tree.at("other"))).includes('"x"'));
  }
});

Deno.test("records are never written or read through a link, whenever one takes their place", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using outside = await tempTree({ "private": '{"notes":"not yours","finished":null}' });
  await using tree = await tempTree();
  const writer = await disk(tree.path).openWriter!();
  const path = SitePath.root.child("a.txt")!;
  const part = await writer.create(path, ID);
  await part.note("first");
  const record = (await namesBelow(tree.path)).find((name) => name.endsWith(".upload"))!;
  const put = (name: string) => {
    Deno.symlinkSync(outside.at("private"), tree.at("link"));
    Deno.renameSync(tree.at("link"), tree.at(name));
  };
  for (const name of [record, record.replace("upload", "next"), record.replace("upload", "claim")]) {
    let calls = 1;
    for (let point = 0; point < calls; point++) {
      const work = async () => {
        await part.note("mine").catch(() => {});
        part.isClaimed();
        const read = await within(writer.recall(path, ID), 10_000).catch(() => null);
        assert(read === null || read.notes !== "not yours");
        await writer.claim(path, ID).catch(() => {});
      };
      calls = await interposed(work, (call) => {
        if (call === point) put(name);
      });
      assertEquals(await Deno.readTextFile(outside.at("private")), '{"notes":"not yours","finished":null}');
      if (await Deno.lstat(tree.at(name)).then(({ isSymlink }) => isSymlink, () => false)) {
        await Deno.remove(tree.at(name));
      }
    }
  }
  await part.discard();
});

Deno.test("a FIFO in the place of a record blocks nothing", { ignore: Deno.build.os === "windows" }, async () => {
  await using tree = await tempTree();
  const writer = await disk(tree.path).openWriter!();
  const path = SitePath.root.child("a.txt")!;
  await writer.claim(path, ID);
  const record = (await namesBelow(tree.path))[0]!.replace("claim", "upload");
  assert((await new Deno.Command("mkfifo", { args: [tree.at(record)] }).output()).success);
  assertEquals(await within(writer.recall(path, ID), 10_000), null);
  const part = await writer.create(path, ID);
  await part.note("notes");
  await part.keep();
  assertEquals((await within(writer.recall(path, ID), 10_000))?.notes, "notes");
});
