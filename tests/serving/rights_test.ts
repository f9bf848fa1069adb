/** Rights are checked for each request: for reading, listing, archives, searches, writing, programs, and the page. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  archives,
  cgiFeature,
  checksums,
  derive,
  fastCgiFeature,
  fileServer,
  type Layer,
  memory,
  mount,
  type Right,
  searches,
  SitePath,
  toFetch,
  uploadFeatures,
  wrap,
} from "@x/pyserve";
import { changing } from "../support/changing.ts";
import { oldTree, tempTree } from "../support/tree.ts";

/** A layer that gives the user named by a header the rights of a table; without the header, all rights. */
function users(table: Readonly<Record<string, (right: Right, path: SitePath) => boolean>>): Layer {
  return (next) => (request, context) => {
    const user = request.headers.get("x-user");
    const may = user === null ? undefined : table[user];
    return next(request, user && may ? derive(context, { user, may, view: user }) : context);
  };
}

const isBelow = (path: SitePath, name: string) => path.segments[0] === name;

/** Alice must not see Bob's files, and the other way around. */
const READERS = users({
  alice: (right, path) => right === "read" && !isBelow(path, "bob") && path.name !== "secret.txt",
  bob: (right, path) => right === "read" && !isBelow(path, "alice"),
});

const FILES = {
  "a.txt": "for all",
  "secret.txt": "not for alice",
  "alice/a.txt": "alice's bytes",
  "bob/b.txt": "bob's bytes",
  "bob/index/index.html": "bob's page",
};

const asks =
  (fetch: ReturnType<typeof toFetch>) => async (user: string | null, target: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set("host", "localhost");
    if (user !== null) headers.set("x-user", user);
    const response = await fetch(new Request(`http://localhost${target}`, { ...init, headers }));
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

Deno.test("a file that a user may not read is absent: as file, index, listing entry, in archives, results and checksums", async () => {
  const features = [archives(), searches(), checksums()];
  const site = fileServer(memory(FILES), { features, log: false, layers: [READERS] });
  const below = wrap(mount("/docs", fileServer(memory(FILES), { features, log: false })), mounted("docs", READERS));
  for (const [prefix, ask] of [["", asks(toFetch(site))], ["/docs", asks(toFetch(below))]] as const) {
    const rows: readonly (readonly [target: string, bytes: string, accept?: string])[] = [
      ["/bob/b.txt", "bob's bytes"],
      ["/bob/index/", "bob's page"],
      ["/bob/b.txt?sha256", "b.txt"],
      ["/?format=json", '"bob"'],
      ["/?format=text", "secret.txt"],
      ["/?q=b.txt&format=text", "bob/b.txt"],
      ["/?archive=tar", "bob's bytes"],
      ["/?archive=tar&name=bob", "bob's bytes"],
      ["/bob/?archive=tar", "bob's bytes"],
      ["/secret.txt", "not for alice"],
    ];
    for (let round = 0; round < 3; round++) {
      for (const [target, bytes] of rows) {
        const [all, bob, alice] = [
          await ask(null, prefix + target),
          await ask("bob", prefix + target),
          await ask("alice", prefix + target),
        ];
        assert(all.text.includes(bytes) && bob.text.includes(bytes), `${prefix}${target}: ${bob.status} ${bob.text}`);
        assert(!alice.text.includes(bytes), `${prefix}${target}: ${alice.text}`);
      }
    }
    assertEquals([(await ask("bob", `${prefix}/alice/`)).status, (await ask("bob", `${prefix}/alice`)).status], [
      404,
      404,
    ]);
  }
});

/** A layer outside of a mount, with rights for paths below it. */
function mounted(name: string, layer: Layer): Layer {
  const strip = (path: SitePath) => path.below(SitePath.root.child(name)!) ?? SitePath.root;
  return (next) =>
    layer((request, context) => {
      const { may, view } = context;
      if (view === "") return next(request, context);
      return next(request, derive(context, { view, may: (right, path) => may(right, strip(path)) }));
    });
}

Deno.test({
  name: "a program is run only for those who may run it",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({
      "cgi-bin/run": "#!/bin/sh\necho Content-Type: text/plain; echo; echo ran\n",
      "cgi-bin/other": "#!/bin/sh\necho Content-Type: text/plain; echo; echo ran\n",
    });
    for (const name of ["run", "other"]) await Deno.chmod(tree.at(`cgi-bin/${name}`), 0o755);
    const layers = [
      users({ bob: (right, path) => right === "read" || (right === "run" && path.segments[1] === "run") }),
    ];
    const site = fileServer(tree.path, { features: [cgiFeature()], log: false, layers });
    const ask = asks(toFetch(site));
    const status = async (user: string | null, target: string) => (await ask(user, target)).status;
    assertEquals([await status(null, "/cgi-bin/other"), await status("bob", "/cgi-bin/other")], [200, 403]);
    assertEquals([await status("bob", "/cgi-bin/run"), await status("bob", "/cgi-bin/run/more/info")], [200, 200]);
    const below = asks(toFetch(mount("/a/b", site)));
    assertEquals((await below("bob", "/a/b/cgi-bin/run")).status, 200);
    assertEquals((await below("bob", "/a/b/cgi-bin/other")).status, 403);
  },
});

Deno.test("FastCGI runs a program only for those who may run it", async () => {
  const layers = [users({ bob: (right, path) => right === "read" || (right === "run" && path.name === "a.php") })];
  const address = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const; // where nothing listens
  const features = [fastCgiFeature({ extensions: [".php"], address })];
  await using tree = await tempTree({ "a.php": "", "b.php": "" });
  const fetch = toFetch(fileServer(tree.path, { features, log: false, layers }), { log: { access() {}, error() {} } });
  const status = async (target: string) => (await asks(fetch)("bob", target)).status;
  assertEquals([await status("/a.php"), await status("/b.php")], [502, 403]);
});

/** A sequence of numbers from a seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const USERS = [null, "alice", "bob"];
const CODINGS = ["identity", "gzip", "br, gzip"];
const ACCEPTS = ["*/*", "text/html", "application/json"];

Deno.test("random requests and changes: no user gets bytes of another's view, and the cache changes no answer", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = randomFrom(seed);
    const one = <T>(of: readonly T[]) => of[random(of.length)]!;
    const names = ["a.txt", "a.txt.gz", "index.html", "b.html"];
    const directories = ["/", "/alice/", "/bob/", "/bob/deep/"];
    const paths = directories.flatMap((directory) => names.map((name) => `${directory}${name}`));
    const source = changing(new Map(paths.filter(() => random(2) === 0).map((path) => [path, `${path} 0`])));
    const options = { log: false, precompressed: true, layers: [READERS], features: [archives()] } as const;
    const [kept, plain] = [fileServer(source, options), fileServer(source, { ...options, cacheSize: 0 })]
      .map((site) => asks(toFetch(site)));
    let hits = 0;
    for (let step = 0; step < 400; step++) {
      if (random(8) === 0) {
        const path = one(paths);
        source.set(path, random(3) === 0 ? null : `${path} ${step}`);
      }
      const user = one(USERS);
      const target = one([...paths, ...directories, "/bob", "/nothing"]);
      const headers = { accept: one(ACCEPTS), "accept-encoding": one(CODINGS) };
      const [answer, expected] = [await kept!(user, target, { headers }), await plain!(user, target, { headers })];
      const what = `seed ${seed}, step ${step}: ${user} ${target} ${JSON.stringify(headers)}`;
      assertEquals([answer.status, answer.text, [...answer.headers]], [expected.status, expected.text, [
        ...expected.headers,
      ]], what);
      const foreign = user === "alice" ? "bob" : user === "bob" ? "alice" : null;
      if (foreign !== null) {
        const isFile = answer.status === 200 && target.startsWith(`/${foreign}`);
        assert(!isFile && !answer.text.includes(`/${foreign}/`) && !answer.text.includes(`"${foreign}/`), what);
      }
      if (answer.status === 200) hits++;
    }
    assert(hits > 50);
  }
});

Deno.test("the same property holds on disk", async () => {
  await using tree = await oldTree(FILES);
  const ask = asks(toFetch(fileServer(tree.path, { log: false, layers: [READERS] })));
  const targets = ["/a.txt", "/alice/a.txt", "/bob/b.txt", "/", "/alice/", "/bob/"];
  const statuses = async (user: string | null) => {
    const all = [];
    for (const target of targets) all.push((await ask(user, target)).status);
    return all;
  };
  for (let round = 0; round < 4; round++) {
    assertEquals(await statuses("bob"), [200, 404, 200, 200, 404, 200]);
    assertEquals(await statuses(null), [200, 200, 200, 200, 200, 200]);
    assertEquals(await statuses("alice"), [200, 200, 404, 200, 200, 404]);
  }
});

/** Old parts of uploads are removed in the background, even after a test. */
const SWEEPING = { sanitizeOps: false, sanitizeResources: false };

Deno.test("Allow, OPTIONS, the page and the upload handler go by the rights of each request", SWEEPING, async () => {
  await using tree = await tempTree({ "in/a.txt": "a", "b.txt": "b" });
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const layers = [users({
    reader: (right) => right === "read",
    sender: (right, path) => right === "read" || (right === "create" && isBelow(path, "in")),
  })];
  const ask = asks(toFetch(fileServer(tree.path, { features, log: false, layers })));
  const allow = async (user: string | null, target: string) => (await ask(user, target, { method: "OPTIONS" })).headers;
  const all = "PUT, PATCH, POST, MKCOL, COPY, DELETE, MOVE, GET, HEAD, OPTIONS";
  assertEquals((await allow(null, "/")).get("allow"), all);
  assertEquals((await allow("reader", "/in/")).get("allow"), "GET, HEAD, OPTIONS");
  assertEquals((await allow("reader", "/in/")).get("accept-patch"), null);
  assertEquals((await allow("sender", "/")).get("allow"), "GET, HEAD, OPTIONS");
  assertEquals((await allow("sender", "/in/")).get("allow"), "PUT, PATCH, POST, MKCOL, COPY, GET, HEAD, OPTIONS");
  assertEquals((await ask("reader", "/", { method: "FROB" })).status, 501);
  const can = async (user: string | null, target: string) => {
    const { text } = await ask(user, target, { headers: { accept: "application/json" } });
    const page = await ask(user, target, { headers: { accept: "text/html" } });
    const listed = JSON.parse(text).can.join(" ");
    assertMatch(page.text, new RegExp(`data-can="${listed}"`));
    assertEquals(page.text.includes("multipart/form-data"), listed.includes("upload"), page.text);
    return listed;
  };
  for (let round = 0; round < 3; round++) {
    assertEquals([await can(null, "/"), await can("reader", "/"), await can("sender", "/")], ["upload delete", "", ""]);
    assertEquals([await can("reader", "/in/"), await can("sender", "/in/")], ["", "upload"]);
  }
  const put = async (user: string, target: string, init: RequestInit = {}) => {
    return (await ask(user, target, { method: "PUT", body: "new", ...init })).status;
  };
  const form = new FormData();
  form.set("file", new File(["x"], "form.txt"));
  const to = (destination: string) => ({ method: "MOVE", body: null, headers: { destination } });
  assertEquals([await put("reader", "/in/c.txt"), await put("sender", "/c.txt"), await put("sender", "/in/c.txt")], [
    403,
    403,
    201,
  ]);
  assertEquals([
    await put("sender", "/in/a.txt?on-conflict=overwrite"),
    await put("sender", "/in/a.txt?on-conflict=rename"),
  ], [403, 201]);
  assertEquals([
    await put("sender", "/", { method: "POST", body: form }),
    await put("sender", "/in/", { method: "POST", body: form }),
  ], [403, 201]);
  assertEquals([
    await put("sender", "/in/a.txt", { method: "DELETE", body: null }),
    await put("sender", "/in/a.txt", to("/in/z.txt")),
  ], [403, 403]);
  assertEquals([
    await put("sender", "/d/", { method: "MKCOL", body: null }),
    await put("sender", "/in/d/", { method: "MKCOL", body: null }),
  ], [403, 201]);
  assertEquals(
    await put("sender", "/c.txt?upload=0123456789abcdef0123", { headers: { "upload-complete": "?0" } }),
    403,
  );
  assertEquals([...Deno.readDirSync(tree.path)].map(({ name }) => name).sort(), ["b.txt", "in"]);
  assertEquals(await Deno.readTextFile(tree.at("in/a.txt")), "a");
});

Deno.test("nothing is moved to where the client may not create, or over what it may not change", SWEEPING, async () => {
  await using tree = await tempTree({ "mine/a.txt": "a", "mine/b.txt": "b", "yours/c.txt": "c" });
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const layers = [users({ me: (right, path) => right === "read" || isBelow(path, "mine") })];
  const ask = asks(toFetch(fileServer(tree.path, { features, log: false, layers })));
  const move = async (from: string, destination: string, overwrite = "F") => {
    return (await ask("me", from, { method: "MOVE", headers: { destination, overwrite } })).status;
  };
  assertEquals(await move("/mine/a.txt", "/yours/a.txt"), 403);
  assertEquals(await move("/mine/a.txt", "/yours/c.txt", "T"), 403);
  assertEquals(await move("/yours/c.txt", "/mine/c.txt"), 403);
  assertEquals(await move("/mine/a.txt", "/mine/b.txt", "T"), 204);
  assertEquals(await Deno.readTextFile(tree.at("yours/c.txt")), "c");
});

Deno.test("each file of a form, and an alternative name, needs its own right", SWEEPING, async () => {
  await using tree = await tempTree({ "in/a.txt": "a" });
  const features = uploadFeatures({ rights: { create: true, change: false } });
  const layers = [users({
    picky: (right, path) => right === "read" || (isBelow(path, "in") && path.name !== "no.txt"),
    narrow: (right, path) => right === "read" || path.text === "/in/a.txt",
  })];
  const ask = asks(toFetch(fileServer(tree.path, { features, log: false, layers })));
  const form = new FormData();
  form.set("file", new File(["x"], "no.txt"));
  assertEquals((await ask("picky", "/in/", { method: "POST", body: form })).status, 403);
  assertEquals((await ask("narrow", "/in/a.txt?on-conflict=rename", { method: "PUT", body: "x" })).status, 403);
  assertEquals([...Deno.readDirSync(tree.at("in"))].map(({ name }) => name), ["a.txt"]);
});

Deno.test("with uploads beside programs, the page offers uploads only in their directory", SWEEPING, async () => {
  await using tree = await tempTree({ "in/deep/a.txt": "a", "other/b.txt": "b" });
  const features = [cgiFeature(), ...uploadFeatures({ rights: { create: true, change: true } })];
  const site = fileServer(tree.path, { features, log: false, uploadBesidePrograms: ["/in"] });
  const ask = asks(toFetch(site));
  const can = async (target: string) => JSON.parse((await ask(null, `${target}?format=json`)).text).can.join(" ");
  for (let round = 0; round < 2; round++) {
    assertEquals([await can("/"), await can("/other/")], ["", ""]);
    assertEquals([await can("/in/"), await can("/in/deep/")], ["upload delete", "upload delete"]);
  }
  const page = async (target: string) => (await ask(null, target, { headers: { accept: "text/html" } })).text;
  const control = /multipart\/form-data/;
  assert(!control.test(await page("/")) && control.test(await page("/in/")));
  const allow = async (target: string) => (await ask(null, target, { method: "OPTIONS" })).headers.get("allow");
  assertEquals(await allow("/other/"), "GET, HEAD, OPTIONS");
  assertEquals(await allow("/in/"), "PUT, PATCH, POST, MKCOL, COPY, DELETE, MOVE, GET, HEAD, OPTIONS");
  assertEquals((await ask(null, "/other/c.txt", { method: "PUT", body: "c" })).status, 403);
  assertEquals((await ask(null, "/in/c.txt", { method: "PUT", body: "c" })).status, 201);
});
