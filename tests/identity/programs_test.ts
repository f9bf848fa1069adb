/** Users and programs: who may run what, and what a program learns of the user. */

import { assert, assertEquals } from "@std/assert";
import { cgiFeature, disk, type FetchFunction, fileServer, mount, toFetch, wrap } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import type { Users } from "../../handlers/identity/users.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const ignore = Deno.build.os === "windows";

const NAMES = ["ann", "bob", "eve"];
const find = (name: string) => NAMES.includes(name) ? { name, epoch: "1" } : null;
const USERS: Users = {
  find,
  verify: (name, password) => password === "secret" ? find(name) : null,
  token(text) {
    const user = find("ann")!;
    return text === "token" ? { user, id: "t", rights: ["run"], path: "/", expires: null } : null;
  },
};

const HEADER = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n";

/** A site with programs; `/elsewhere/page` is unreadable to all but eve. */
async function programs(): Promise<TempTree> {
  const tree = await tempTree({
    "cgi-bin/env": `${HEADER}env\n`,
    "cgi-bin/show": `${HEADER}echo "$PATH_INFO $PATH_TRANSLATED"; cat "$PATH_TRANSLATED" 2>/dev/null\n`,
    "cgi-bin/away": "#!/bin/sh\nprintf 'Location: /elsewhere/page.txt\\n\\n'\n",
    "cgi-bin/again": "#!/bin/sh\nprintf 'Location: /private/run.cgi\\n\\n'\n",
    "private/run.cgi": `${HEADER}echo ran\n`,
    "elsewhere/page.txt": "unreadable",
    "open/page.txt": "readable",
  });
  for (const name of ["cgi-bin/env", "cgi-bin/show", "cgi-bin/away", "cgi-bin/again", "private/run.cgi"]) {
    await Deno.chmod(tree.at(name), 0o755);
  }
  return tree;
}

const RULES = ["users:read,run", "eve:all@/elsewhere", "eve:all@/private", "eve:all@/cgi-bin/show/secret"];

interface Sent extends RequestInit {
  readonly as?: string;
}

function asking(fetch: FetchFunction): (path: string, init?: Sent) => Promise<{ status: number; text: string }> {
  return async (path, { as, ...init } = {}) => {
    const headers = new Headers(init.headers);
    if (as !== undefined) headers.set("authorization", `Basic ${btoa(`${as}:secret`)}`);
    const response = await fetch(new Request(`http://localhost${path}`, { ...init, headers }));
    return { status: response.status, text: await response.text() };
  };
}

function site(tree: TempTree, passAuth = false): FetchFunction {
  const features = [cgiFeature({ extensions: [".cgi"], passAuth })];
  const layers = [auth({ users: USERS, rules: RULES })];
  return toFetch(fileServer(disk(tree.path), { features, layers, log: false }), { log: { access() {}, error() {} } });
}

/** The lines of an environment that begin with one of some names. */
function variables(text: string, ...names: readonly string[]): string[] {
  return text.split("\n").filter((line) => names.some((name) => line.startsWith(`${name}=`))).sort();
}

Deno.test(
  { name: "a program learns the user's name, but nothing with which it could act as the user", ignore },
  async () => {
    await using tree = await programs();
    const fetch = site(tree);
    const ask = asking(fetch);
    const body = new URLSearchParams({ username: "ann", password: "secret", to: "/" });
    const login = await fetch(
      new Request("http://localhost/.pyserve/login", { method: "POST", body, headers: { origin: "http://localhost" } }),
    );
    const session = login.headers.get("set-cookie")!.split(";")[0]!;
    await login.body?.cancel();
    const names = ["AUTH_TYPE", "REMOTE_USER", "HTTP_COOKIE", "HTTP_AUTHORIZATION"];
    const seen = async (init: Sent) => variables((await ask("/cgi-bin/env", init)).text, ...names);
    assertEquals(await seen({ as: "ann" }), ["AUTH_TYPE=Basic", "REMOTE_USER=ann"]);
    assertEquals(await seen({ headers: { authorization: "Bearer token" } }), ["AUTH_TYPE=Bearer", "REMOTE_USER=ann"]);
    const cookie = `a=1; ${session}; b=2; __Host-pyserve-8000=x; xpyserve=y`;
    assertEquals(await seen({ headers: { cookie } }), [
      "AUTH_TYPE=form",
      "HTTP_COOKIE=a=1; b=2; xpyserve=y",
      "REMOTE_USER=ann",
    ]);
    assertEquals(await seen({ headers: { cookie: session } }), ["AUTH_TYPE=form", "REMOTE_USER=ann"]);
    const passing = asking(site(tree, true));
    const { text } = await passing("/cgi-bin/env", { as: "ann", headers: { cookie: session } });
    assertEquals(variables(text, "HTTP_COOKIE", "HTTP_AUTHORIZATION"), [
      `HTTP_AUTHORIZATION=Basic ${btoa("ann:secret")}`,
      `HTTP_COOKIE=${session}`,
    ]);
  },
);

Deno.test({ name: "a local redirect leads to nothing that the user may not see or run", ignore }, async () => {
  await using tree = await programs();
  const ask = asking(site(tree));
  assertEquals((await ask("/cgi-bin/away", { as: "eve" })).text, "unreadable");
  assertEquals((await ask("/cgi-bin/away", { as: "bob" })).status, 404);
  assertEquals((await ask("/cgi-bin/again", { as: "eve" })).text, "ran\n");
  assertEquals((await ask("/cgi-bin/again", { as: "bob" })).status, 403);
});

Deno.test({
  name: "rules hold for PATH_INFO, also with an encoded slash; PATH_TRANSLATED names nothing unreadable",
  ignore,
}, async () => {
  await using tree = await programs();
  const ask = asking(site(tree));
  for (
    const path of [
      "/cgi-bin/show/secret",
      "/cgi-bin/show//secret/x",
      "/cgi-bin/show/secret%2Fx",
      "/cgi-bin/show/%73ecret",
    ]
  ) {
    for (const method of ["GET", "POST"]) {
      // The same as for a program that does not exist: there, too, the rule is only found after the encoded slash.
      const refused = path.includes("%2F") ? 404 : 403;
      assertEquals((await ask(path, { as: "bob", method })).status, refused, `${method} ${path}`);
      assertEquals((await ask(path, { as: "eve", method })).status, 200, `${method} ${path}`);
      assertEquals((await ask(path, { method })).status, 401, `${method} ${path}`);
    }
  }
  const show = async (as: string, path: string) => (await ask(`/cgi-bin/show${path}`, { as })).text;
  assert((await show("bob", "/open/page.txt")).endsWith("readable"));
  assertEquals(await show("bob", "/elsewhere/page.txt"), "/elsewhere/page.txt \n");
  assertEquals(await show("bob", "/elsewhere%2Fpage.txt"), "/elsewhere/page.txt \n");
  assert((await show("eve", "/elsewhere/page.txt")).endsWith("unreadable"));
});

Deno.test({ name: "an encoded slash runs nothing for strangers, also below a mount", ignore }, async () => {
  await using tree = await programs();
  const ask = asking(site(tree));
  for (const path of ["/cgi-bin/env/%2f", "/cgi-bin/env/a%2Fb", "/private/run.cgi/%2F"]) {
    assertEquals((await ask(path)).status, 401, path);
    assertEquals((await ask(path, { method: "POST" })).status, 401, path);
  }
  assertEquals((await ask("/private/run.cgi/%2F", { as: "bob" })).status, 403);
  assertEquals((await ask("/private/run.cgi/%2F", { as: "eve" })).status, 200);
  const features = [cgiFeature({ extensions: [".cgi"] })];
  const inner = fileServer(disk(tree.path), { features, log: false });
  const rules = ["users:run", "eve:run@/team"];
  const below = asking(toFetch(wrap(mount("/team", inner), auth({ users: USERS, rules }))));
  for (const path of ["/team/cgi-bin/env", "/team/cgi-bin/env/%2F"]) {
    assertEquals(
      [(await below(path, { as: "bob" })).status, (await below(path, { as: "eve" })).status],
      [403, 200],
      path,
    );
  }
});
