/** The layer that identifies users and limits what they may do, around the whole file server. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  archives,
  disk,
  type FetchFunction,
  fileServer,
  searches,
  SitePath,
  toFetch,
  uploadFeatures,
} from "../../mod.ts";
import { auth, type AuthOptions } from "../../handlers/identity/auth.ts";
import { Shares, type ShareTerms } from "../../handlers/identity/shares.ts";
import { volatileState } from "../../handlers/identity/state.ts";
import type { UserRight } from "../../handlers/identity/user_rights.ts";
import type { Users } from "../../handlers/identity/users.ts";
import { clockAhead } from "../support/clock.ts";
import { tempTree } from "../support/tree.ts";

const TOKENS: Record<string, { rights: readonly UserRight[]; path: string }> = {
  "t-read": { rights: ["read"], path: "/" },
  "t-team": { rights: ["read", "upload"], path: "/team" },
};

/** Users in memory; an application's database would look like this. */
function memoryUsers(passwords: Record<string, string>): Users & { readonly passwords: Map<string, string> } {
  const known = new Map(Object.entries(passwords));
  const find = (name: string) => known.has(name) ? { name, epoch: known.get(name)! } : null;
  return {
    passwords: known,
    find,
    verify: (name, password) => known.get(name) === password ? find(name) : null,
    token(text) {
      const user = find("ann");
      const grant = TOKENS[text];
      return user && grant ? { user, id: text, expires: null, ...grant } : null;
    },
  };
}

const BROWSER = { "user-agent": "Mozilla/5.0", "accept": "text/html,*/*;q=0.8" };
const basic = (name: string, password: string) => ({ authorization: `Basic ${btoa(`${name}:${password}`)}` });

interface Site extends AsyncDisposable {
  readonly users: ReturnType<typeof memoryUsers>;
  readonly lines: string[];
  get(path: string, init?: RequestInit): Promise<Response>;
  at(path: string): string;
}

async function siteWith(options: Partial<AuthOptions> = {}): Promise<Site> {
  const tree = await tempTree({
    "a.txt": "a",
    "team/plan.txt": "plan",
    "pub/b.txt": "b",
    "private/c.txt": "c",
  });
  const users = memoryUsers({ ann: "secret", bob: "hunter2" });
  const lines: string[] = [];
  const fetch: FetchFunction = toFetch(
    fileServer(disk(tree.path), {
      features: [...uploadFeatures({ rights: { create: true, change: true } }), searches(), archives()],
      layers: [auth({ users, ...options })],
      log: "common",
    }),
    { log: { access: (line) => lines.push(line), error: (message, cause) => lines.push(`${message} ${cause}`) } },
  );
  return {
    users,
    lines,
    at: (path) => tree.at(path),
    get: async (path, init) => await fetch(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

/** Logs in on the page; returns the cookie. */
async function logIn(
  site: Site,
  username: string,
  password: string,
  to = "/",
): Promise<{ response: Response; cookie: string }> {
  const body = new URLSearchParams({ username, password, to });
  const response = await site.get("/.pyserve/login", { method: "POST", body, headers: { origin: "http://localhost" } });
  return { response, cookie: response.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

async function status(response: Response | Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

Deno.test("without credentials: a challenge for programs, the login page for browsers, no dialog for scripts", async () => {
  await using site = await siteWith();
  const program = await site.get("/a.txt");
  assertEquals([await status(program), program.headers.get("www-authenticate")], [
    401,
    'Basic realm="pyserve", charset="UTF-8"',
  ]);
  const page = await site.get("/team/?q=x", { headers: BROWSER });
  assertEquals([await status(page), page.headers.get("location")], [303, "../.pyserve/login?to=%2Fteam%2F%3Fq%3Dx"]);
  const script = await site.get("/a.txt", { headers: { "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin" } });
  assertEquals([await status(script), script.headers.get("www-authenticate")], [401, 'Bearer realm="pyserve"']);
  // Over plain HTTP on a network, browsers send no Sec-Fetch-Mode.
  const scripts: readonly HeadersInit[] = [
    { "user-agent": "Mozilla/5.0", accept: "*/*" },
    { "user-agent": "Mozilla/5.0", accept: "application/problem+json" },
    { "user-agent": "Mozilla/5.0", accept: "image/avif,image/webp,*/*;q=0.8" },
    { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
    { "sec-fetch-mode": "navigate", "sec-fetch-dest": "empty" }, // a download
  ];
  for (const headers of scripts) {
    const answer = await site.get("/a.txt", { headers });
    assertEquals(
      [await status(answer), answer.headers.get("www-authenticate")],
      [401, 'Bearer realm="pyserve"'],
      JSON.stringify(headers),
    );
  }
  for (const path of ["/", "/none", "/a.txt?sha256", "/?archive=zip", "/?q=a", "/team", "/.hidden"]) {
    assertEquals(await status(site.get(path)), 401, path);
  }
  for (const method of ["PUT", "DELETE", "PATCH", "MKCOL", "MOVE", "POST"]) {
    assertEquals(await status(site.get("/new.txt", { method })), 401, method);
  }
});

Deno.test("with Basic and with a bearer token", async () => {
  await using site = await siteWith();
  assertEquals(await (await site.get("/a.txt", { headers: basic("ann", "secret") })).text(), "a");
  assertEquals(await status(site.get("/n.txt", { method: "PUT", body: "n", headers: basic("ann", "secret") })), 201);
  for (
    const wrong of [
      basic("ann", "Secret"),
      basic("eve", "secret"),
      { authorization: "Basic !" },
      { authorization: "Basic" },
      {
        authorization: "Digest x",
      },
      { authorization: `Basic ${"QQ".repeat(10_000)}` },
      { authorization: `Basic ${btoa("\xff:\xff")}` },
    ]
  ) {
    assertEquals(await status(site.get("/a.txt", { headers: wrong })), 401, JSON.stringify(wrong).slice(0, 50));
  }
  const token = { authorization: "Bearer t-read" };
  assertEquals(await status(site.get("/a.txt", { headers: token })), 200);
  assertEquals(await status(site.get("/m.txt", { method: "PUT", body: "m", headers: token })), 403);
  const narrow = { authorization: "Bearer t-team" };
  assertEquals(await status(site.get("/team/m.txt", { method: "PUT", body: "m", headers: narrow })), 201);
  assertEquals(await status(site.get("/a.txt", { headers: narrow })), 403);
  assertEquals(await status(site.get("/a.txt", { headers: { authorization: "Bearer other" } })), 401);
});

Deno.test("logging in leads back, and logging out ends the session", async () => {
  await using site = await siteWith();
  const { response, cookie } = await logIn(site, "ann", "secret", "/team/?q=x");
  assertEquals([await status(response), response.headers.get("location")], [303, "../team/?q=x"]);
  assertMatch(response.headers.get("set-cookie")!, /^pyserve=[\w.-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
  const read = () => status(site.get("/a.txt", { headers: { cookie: `x=1; ${cookie}; y=2` } }));
  assertEquals(await read(), 200);
  const account = await (await site.get("/.pyserve/login", { headers: { cookie } })).text();
  assert(account.includes("<bdi>ann</bdi>"));
  const out = await site.get("/.pyserve/logout", { method: "POST", headers: { cookie, origin: "http://localhost" } });
  assertEquals([await status(out), out.headers.get("clear-site-data")], [303, '"cache"']);
  assertMatch(out.headers.get("set-cookie")!, /^pyserve=; .*Max-Age=0/);
  assertEquals(await read(), 401, "the cookie that a thief has kept");
});

Deno.test("the script of a page logs in with JSON, and stays where it is", async () => {
  await using site = await siteWith();
  const send = (password: string, headers: HeadersInit = {}) =>
    site.get("/.pyserve/login", {
      method: "POST",
      headers: { origin: "http://localhost", accept: "application/json", ...headers },
      body: new URLSearchParams({ username: "ann", password }),
    });
  const right = await send("secret");
  assertEquals([right.status, right.headers.get("cache-control"), await right.json()], [200, "no-store", {
    user: "ann",
  }]);
  assertMatch(right.headers.get("set-cookie")!, /^pyserve=[\w.-]+; Path=\//);
  const wrong = await send("x");
  assertEquals([wrong.status, wrong.headers.get("set-cookie")], [403, null]);
  assertEquals((await wrong.json()).detail, "The name or the password is wrong.");
  assertEquals(await status(send("secret", { origin: "http://evil.example" })), 403);
});

Deno.test("browsers store nothing that they show as a page to a user", async () => {
  using _clock = clockAhead();
  await using site = await siteWith({ rules: ["ann:all", "anyone:read@/pub"] });
  const { cookie } = await logIn(site, "ann", "secret");
  const policy = async (path: string, headers: Record<string, string>) => {
    const response = await site.get(path, { headers });
    await response.body?.cancel();
    return response.headers.get("cache-control");
  };
  for (const path of ["/", "/a.txt", "/pub/b.txt", "/", "/a.txt", "/pub/b.txt"]) { // the second time from the cache
    assertEquals(await policy(path, { cookie, ...BROWSER }), "no-store", path);
    assertEquals(await policy(path, { cookie, "sec-fetch-mode": "navigate" }), "no-store", path);
    assertEquals(await policy(path, { cookie, "sec-fetch-mode": "no-cors" }), "private, no-cache", path);
  }
  assertEquals(await policy("/pub/b.txt", BROWSER), "no-cache", "without a login");
});

Deno.test("a wrong password says no more than that, and keeps the name", async () => {
  await using site = await siteWith();
  const wrong = async (name: string) => {
    const { response } = await logIn(site, name, "x");
    assertEquals([response.status, response.headers.get("set-cookie")], [403, null]);
    return (await response.text()).replaceAll(name, "NAME");
  };
  const known = await wrong("ann");
  assert(known.includes("The name or the password is wrong") && known.includes('value="NAME"'));
  assertEquals(await wrong("eve"), known, "the same for a name that does not exist");
  assert(!(await (await logIn(site, '"><script>', "x")).response.text()).includes("<script>"));
});

Deno.test("no open redirect after logging in", async () => {
  await using site = await siteWith();
  for (
    const to of [
      "//evil.example",
      "https://evil.example/",
      "/\\evil.example",
      "\\\\evil",
      "/%5cevil",
      "javascript:x",
      "",
      "/\r\nx: y",
      "/.//evil.example",
      "/../..//evil",
    ]
  ) {
    const { response } = await logIn(site, "ann", "secret", to);
    const url = new URL(response.headers.get("location")!, "http://localhost/.pyserve/login");
    assertEquals(url.host, "localhost", to);
    await response.body?.cancel();
  }
});

Deno.test("pages of other sites can neither log in nor out, nor write with the cookie", async () => {
  await using site = await siteWith();
  const { cookie } = await logIn(site, "ann", "secret");
  for (
    const foreign of [{ origin: "http://evil.example" }, { "sec-fetch-site": "cross-site" }, {
      "sec-fetch-site": "same-site",
    }, {
      origin: "null",
    }, { origin: "http://localhost:81" }]
  ) {
    const headers = { ...foreign, cookie };
    const body = new URLSearchParams({ username: "ann", password: "secret", to: "/" });
    assertEquals(await status(site.get("/.pyserve/login", { method: "POST", body, headers })), 403);
    assertEquals(await status(site.get("/.pyserve/logout", { method: "POST", headers })), 403);
    assertEquals(await status(site.get("/x.txt", { method: "PUT", body: "x", headers })), 401, JSON.stringify(foreign));
  }
  assertEquals(await status(site.get("/a.txt", { headers: { cookie } })), 200);
});

Deno.test("cookies of the same name by other servers of the host neither log out nor take over", async () => {
  await using site = await siteWith();
  const [ann, bob] = [(await logIn(site, "ann", "secret")).cookie, (await logIn(site, "bob", "hunter2")).cookie];
  const read = (cookie: string) => status(site.get("/a.txt", { headers: { cookie } }));
  assertEquals([await read(`pyserve=forged; ${ann}`), await read(`${ann}; pyserve=x.y`), await read(`x${ann}`)], [
    200,
    200,
    401,
  ]);
  assertEquals([await read(`${bob}; ${ann}`), await read(`${ann}; ${ann}`)], [401, 200]);
  assertEquals(await read(`${"pyserve=a; ".repeat(4)}${ann}`), 401, "only so many are looked at");
});

Deno.test("a session ends with the user and with the password", async () => {
  await using site = await siteWith();
  const { cookie } = await logIn(site, "ann", "secret");
  site.users.passwords.set("ann", "new");
  assertEquals(await status(site.get("/a.txt", { headers: { cookie } })), 401);
  const { cookie: again } = await logIn(site, "ann", "new");
  site.users.passwords.delete("ann");
  assertEquals(await status(site.get("/a.txt", { headers: { cookie: again } })), 401);
});

Deno.test("rules hold for reading, listing, writing and both ends of a move", async () => {
  await using site = await siteWith({
    rules: ["anyone:read@/pub", "users:read", "ann:all@/team", "bob:read,upload@/private"],
  });
  const [ann, bob] = [basic("ann", "secret"), basic("bob", "hunter2")];
  assertEquals(await status(site.get("/pub/b.txt")), 200);
  assertEquals(await status(site.get("/a.txt")), 401);
  assertEquals(await status(site.get("/team/plan.txt", { headers: bob })), 403);
  assertEquals(await status(site.get("/private/c.txt", { headers: ann })), 403);
  const list = async (headers: HeadersInit) => await (await site.get("/?format=text", { headers })).text();
  assertEquals(await list(ann), "pub/\nteam/\na.txt\n");
  assertEquals(await list(bob), "private/\npub/\na.txt\n");
  assertEquals(await status(site.get("/team/x", { method: "PUT", body: "x", headers: ann })), 201);
  assertEquals(await status(site.get("/x", { method: "PUT", body: "x", headers: ann })), 403);
  const destination = (path: string) => ({ ...ann, destination: path });
  assert(
    [403, 405].includes(await status(site.get("/team/x", { method: "MOVE", headers: destination("/private/x") }))),
  );
  assert(
    [403, 405].includes(await status(site.get("/pub/b.txt", { method: "MOVE", headers: destination("/team/b.txt") }))),
  );
  assertEquals(await status(site.get("/team/x", { method: "MOVE", headers: destination("/team/y") })), 201);
});

Deno.test("what a user gets is private to caches, and the log has the name", async () => {
  await using site = await siteWith({ rules: ["anyone:read@/pub", "users:read"] });
  const open = await site.get("/pub/b.txt");
  const own = await site.get("/a.txt", { headers: basic("ann", "secret") });
  assertEquals([open, own].map(({ headers }) => headers.get("cache-control")), ["no-cache", "private, no-cache"]);
  await Promise.all([open.text(), own.text()]);
  assertEquals(site.lines.map((line) => line.split(" ")[2]), ["-", "ann"]);
  const again = await site.get("/a.txt", { headers: basic("ann", "secret") });
  assertEquals([again.headers.get("cache-control"), await again.text()], ["private, no-cache", "a"]);
});

const SHARED: ShareTerms = { paths: [SitePath.root.child("team")!], rights: new Set(["read"]), expires: Infinity };

/** A site with a share; `link` is the part of the URL before the path. */
async function siteWithShare(terms: Partial<ShareTerms> = {}, by: string | null = "ann") {
  const state = volatileState();
  const site = await siteWith({ state, rules: ["ann:all", "bob:read"] });
  await Deno.mkdir(site.at("team/sub"));
  await Deno.writeTextFile(site.at("team/sub/deep.txt"), "deep");
  await Deno.mkdir(site.at("team2"));
  const { id, token } = new Shares(state.key).make({ ...SHARED, ...terms }, by);
  return Object.assign(site, { state, id, token, link: `/.pyserve/share/${token}` });
}

Deno.test("a share link shows what is shared, and nothing else", async () => {
  await using site = await siteWithShare();
  const { link } = site;
  const text = async (path: string) => await (await site.get(`${link}${path}`)).text();
  assertEquals(await text("/team/plan.txt"), "plan");
  assertEquals(await text("/team/?format=text"), "sub/\nplan.txt\n");
  assertEquals(await text("/team/sub/deep.txt"), "deep");
  const root = await site.get(`${link}/`);
  assertEquals([await status(root), root.headers.get("location")], [303, "team"]);
  const directory = await site.get(`${link}/team`);
  assertEquals([await status(directory), directory.headers.get("location")], [301, "team/"]);
  for (const path of ["/a.txt", "/team2/", "/te", "/pub/b.txt", "/team/../a.txt", "/team/%2e%2e/a.txt", "/none"]) {
    assertEquals(await status(site.get(`${link}${path}`)), 403, path);
  }
  const sneaky = [
    `/.pyserve/share/${site.token}x/team/plan.txt`,
    "/.pyserve/share/x/team/plan.txt",
    "/.pyserve/share//team/",
  ];
  for (const path of sneaky) assertEquals(await status(site.get(path)), 404, path);
  assertEquals(await status(site.get(`${link}/team/x`, { method: "PUT", body: "x" })), 403);
  assertEquals(await status(site.get(`${link}/team/plan.txt`, { method: "DELETE" })), 403);
  const found = await (await site.get(`${link}/team/?q=txt`, { headers: { accept: "application/json" } })).json();
  assertEquals(found.results.map(({ path }: { path: string }) => path), ["plan.txt", "sub/deep.txt"]);
});

Deno.test("a share ends when it is revoked, with its user, and with the right to share", async () => {
  await using site = await siteWithShare();
  const read = () => status(site.get(`${site.link}/team/plan.txt`));
  assertEquals(await read(), 200);
  site.users.passwords.delete("ann");
  assertEquals(await read(), 404);
  site.users.passwords.set("ann", "again");
  assertEquals(await read(), 200);
  site.state.revocations.add(site.id, Infinity);
  assertEquals(await read(), 404);
  await using other = await siteWithShare({}, "bob");
  assertEquals(await status(other.get(`${other.link}/team/plan.txt`)), 403, "bob may read, but not share");
});

Deno.test("an upload link takes files, and shows nothing of what is there", async () => {
  await using site = await siteWithShare({ rights: new Set(["create"]) });
  const { link } = site;
  const page = await (await site.get(`${link}/team/`)).text();
  assert(page.includes('type="file"') && !page.includes("plan"));
  for (
    const path of [
      "/team/?format=json",
      "/team/plan.txt",
      "/team/none.txt",
      "/team/sub/",
      "/team/?q=plan",
      "/team/?archive=zip",
    ]
  ) {
    const response = await site.get(`${link}${path}`);
    const text = await response.text();
    assert(response.status === 403 || (text.includes('type="file"') && !text.includes("deep")), path);
  }
  const send = async (name: string, headers: HeadersInit = {}) => {
    const body = new FormData();
    body.append("file", new File(["new"], name));
    const response = await site.get(`${link}/team/`, { method: "POST", body, headers });
    return [response.status, response.headers.get("location"), await response.text()];
  };
  assertEquals(await send("new.txt"), [201, null, ""]);
  assertEquals(await send("plan.txt"), [201, null, ""], "the same if the name is taken");
  assertEquals(await send("form.txt", { accept: "text/html", origin: "http://localhost" }), [303, "./?done", ""]);
  assertEquals(await Deno.readTextFile(site.at("team/plan.txt")), "plan");
  assertEquals(await Deno.readTextFile(site.at("team/new.txt")), "new");
});

Deno.test("pages show who has logged in, to that user only, and their tags differ", async () => {
  await using site = await siteWith({ rules: ["anyone:read@/pub", "users:read"] });
  using _clock = clockAhead();
  const page = async (headers: Record<string, string>) => {
    const response = await site.get("/pub/", { headers: { accept: "text/html", ...headers } });
    return { text: await response.text(), etag: response.headers.get("etag") };
  };
  for (let round = 0; round < 3; round++) {
    const [open, ann, bob] = [await page({}), await page(basic("ann", "secret")), await page(basic("bob", "hunter2"))];
    assert(open.text.includes('href="../.pyserve/login?to=%2Fpub%2F"') && !open.text.includes("Log out"));
    assert(ann.text.includes("<bdi>ann</bdi>") && ann.text.includes('action="../.pyserve/logout"'));
    assert(bob.text.includes("<bdi>bob</bdi>") && !bob.text.includes("ann"));
    assertEquals(new Set([null, open.etag, ann.etag, bob.etag]).size, 4);
  }
});

Deno.test("a 401 says what is wrong with the credentials, the same for unknown names", async () => {
  await using site = await siteWith();
  const detail = async (headers: HeadersInit) => await (await site.get("/a.txt", { headers })).text();
  assertEquals(await detail({}), "401 Unauthorized: Log in first\n");
  const wrong = "401 Unauthorized: The name or the password is wrong\n";
  assertEquals([await detail(basic("ann", "x")), await detail(basic("zoe", "x"))], [wrong, wrong]);
  assertEquals(await detail({ authorization: "Bearer x" }), "401 Unauthorized: This token is not valid\n");
});

Deno.test("the page of a share shows neither its token nor a way to log in", async () => {
  await using site = await siteWithShare();
  const text = await (await site.get(`${site.link}/team/`, { headers: { accept: "text/html" } })).text();
  assert(text.includes("<title>Directory listing for /team/</title>") && !text.includes("Log in"));
});

Deno.test("a failed login is one line in the log of the requests, or in that of the option", async () => {
  await using site = await siteWith();
  await logIn(site, "ann", "wrong");
  assertEquals(site.lines.filter((line) => /Login failed/.test(line)).length, 1, site.lines.join("\n"));
  const own: string[] = [];
  await using other = await siteWith({ log: { error: (line) => own.push(line) } });
  await logIn(other, "ann", "wrong");
  assertEquals([own.length, other.lines.filter((line) => /Login failed/.test(line)).length], [1, 0]);
});
