/** Rights over WebDAV: users, users who may only add, share links; what they see, change, and are asked for. */

import { assert, assertEquals } from "@std/assert";
import { treeOf } from "../store/support.ts";
import { basic, sharingSite } from "../support/sharing.ts";
import { reportedBy } from "./support.ts";

const LOCK = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';

const PROPERTIES = '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="urn:x">1</x></prop></set></propertyupdate>';

const RULES = ["ann:all", "bob:read,upload", "bob:none@/docs/b", "eve:upload", "eve:read@/docs/a"];

Deno.test("file managers are asked to log in where the right to read is missing, and only there", async () => {
  await using site = await sharingSite({ dav: true, rules: [...RULES, "anyone:read@/docs"] });
  const status = async (path: string, headers: Record<string, string> = {}) => {
    const response = await site.send(path, { method: "PROPFIND", headers: { depth: "0", ...headers } });
    await response.body?.cancel();
    return [response.status, response.headers.has("www-authenticate")];
  };
  assertEquals(await status("/"), [401, true]);
  assertEquals(await status("/none"), [401, true]);
  assertEquals(await status("/docs/"), [207, false]);
  assertEquals(await status("/", basic("ann")), [207, false]);
  assertEquals(await status("/", basic("eve")), [403, false]);
  assertEquals(await status("/none", basic("eve")), [403, false]);
});

/** Requests of users who lack a right; nothing must change. */
const REFUSED: readonly [user: string | null, method: string, path: string, headers?: Record<string, string>][] = [
  ...["PUT", "DELETE", "MKCOL", "LOCK", "PROPPATCH"].map((method): [null, string, string] => [null, method, "/new"]),
  [null, "COPY", "/docs/a", { destination: "/new" }],
  [null, "MOVE", "/docs/a", { destination: "/new" }],
  ["bob", "PUT", "/team/plan.txt"],
  ["bob", "PUT", "/team/plan.txt", { overwrite: "T" }],
  ["bob", "PUT", "/team/plan.txt", { "if-match": "*" }],
  ["bob", "PUT", "/docs/b/new.txt"],
  ["bob", "DELETE", "/team/plan.txt"],
  ["bob", "LOCK", "/team/plan.txt"],
  ["bob", "LOCK", "/team/new.txt"],
  ["bob", "PROPPATCH", "/team/plan.txt"],
  ["bob", "PROPPATCH", "/docs/b/two.txt"],
  ["bob", "COPY", "/docs/b/two.txt", { destination: "/new" }],
  ["bob", "COPY", "/secret.txt", { destination: "/docs/b/two.txt" }],
  ["bob", "COPY", "/secret.txt", { destination: "/docs/b/new.txt" }],
  ["bob", "COPY", "/secret.txt", { destination: "/team/plan.txt" }],
  ["bob", "COPY", "/docs/a/", { destination: "/team/sub/", overwrite: "T" }],
  ["bob", "MOVE", "/secret.txt", { destination: "/new" }],
  ["eve", "COPY", "/secret.txt", { destination: "/new" }],
  ["eve", "LOCK", "/secret.txt"],
  ["eve", "PROPPATCH", "/secret.txt"],
  ["eve", "DELETE", "/docs/a/one.txt"],
  ["ann", "LOCK", "/"],
];

Deno.test("without the right, no method changes anything, over WebDAV neither", async () => {
  await using site = await sharingSite({ dav: true, rules: RULES });
  const before = treeOf(site.path);
  for (const [user, method, path, headers = {}] of REFUSED) {
    const body = { PUT: "new", LOCK, PROPPATCH: PROPERTIES }[method];
    const init = {
      method,
      headers: { ...headers, ...user !== null && basic(user) },
      ...body !== undefined && { body },
    };
    const status = await site.status(path, init);
    assert(status >= 401 && status < 500, `${user} ${method} ${path}: ${status}`);
    assertEquals(treeOf(site.path), before, `${user} ${method} ${path}`);
  }
});

Deno.test("users who may only add files store new ones, and copies; a name that they cannot read is not disclosed", async () => {
  await using site = await sharingSite({ dav: true, rules: RULES });
  const put = (user: string, path: string) => site.status(path, { method: "PUT", body: "new", headers: basic(user) });
  const copy = (path: string, destination: string) =>
    site.status(path, { method: "COPY", headers: { ...basic("bob"), destination } });
  assertEquals([await put("bob", "/team/new.txt"), await put("bob", "/team/new.txt")], [201, 409]);
  assertEquals([await copy("/secret.txt", "/copy.txt"), await copy("/secret.txt", "/copy.txt")], [201, 409]);
  assertEquals([await put("eve", "/free.txt"), await put("eve", "/secret.txt")], [201, 201]);
  const tree = treeOf(site.path);
  assertEquals([tree["secret.txt"], tree["secret (1).txt"], tree["copy.txt"]], ["secret", "new", "secret"]);
});

Deno.test("PROPPATCH does not tell of locks where one cannot read", async () => {
  await using site = await sharingSite({ dav: true, rules: RULES });
  assertEquals(await site.status("/secret.txt", { method: "LOCK", body: LOCK, headers: basic("ann") }), 200);
  const body = PROPERTIES.replace("urn:x", "urn:schemas-microsoft-com:"); // for which the right to upload suffices
  const patch = (user: string, path: string) => site.status(path, { method: "PROPPATCH", body, headers: basic(user) });
  assertEquals([await patch("bob", "/secret.txt"), await patch("bob", "/none")], [423, 404]);
  assertEquals([await patch("eve", "/secret.txt"), await patch("eve", "/none")], [404, 404]);
});

Deno.test("a share link is a site of its own: only what is shared is seen, and nothing leaves it", async () => {
  await using site = await sharingSite({ dav: true });
  const { url } = await site.share({ paths: ["/docs/a/"], rights: ["read", "upload"] });
  const root = url.slice(0, -"docs/a/".length);
  const report = await reportedBy(await site.send(url, { method: "PROPFIND", headers: { depth: "1" } }));
  assertEquals(Object.keys(report).sort(), [url, `${url}one.txt`]);
  for (const path of ["", "docs/", "docs/b/", "docs/b/two.txt", "secret.txt"]) {
    assert(await site.status(`${root}${path}`, { method: "PROPFIND", headers: { depth: "0" } }) >= 403, path);
  }
  const before = treeOf(site.path);
  for (const destination of ["/docs/b/new", `${root}docs/b/new`, `${root}new`, "/new", `${root}docs/a/one.txt`]) {
    const status = await site.status(`${url}one.txt`, { method: "COPY", headers: { destination } });
    assert(status >= 400, `${destination}: ${status}`);
  }
  for (const source of ["docs/b/two.txt", "secret.txt"]) {
    const headers = { destination: `${url}new` };
    assertEquals(await site.status(root + source, { method: "COPY", headers }), 404, source);
  }
  assertEquals(await site.status(`${url}one.txt`, { method: "LOCK", body: LOCK }), 403);
  assertEquals(treeOf(site.path), before);
  assertEquals(await site.status(`${url}new.txt`, { method: "PUT", body: "new" }), 201);
  assertEquals(treeOf(site.path)["docs/a/new.txt"], "new");
});
