/** What share links are bound to: their site, and the token with which they were made. */

import { assert, assertEquals } from "@std/assert";
import { fileServer, memory, SitePath, toFetch } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { sharePath, shares } from "../../handlers/identity/share_site.ts";
import { volatileState } from "../../handlers/identity/state.ts";
import { userFile } from "../../handlers/identity/user_file.ts";
import { basic, sharingSite, usersNamed } from "../support/sharing.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";
import { hashPassword } from "../../handlers/identity/password.ts";
import { newToken } from "../../handlers/identity/token_line.ts";

const JSON_TYPE = { "content-type": "application/json" };
const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

Deno.test("a link is only valid on the site for which it was made, though others share the state", async () => {
  const state = volatileState();
  const paths = [SitePath.root];
  const links = ["a", "b", ""].map((site) => {
    const terms = { paths, rights: new Set(["read"] as const), expires: Infinity };
    return { site, url: `http://localhost${sharePath(shares(state, site).make(terms, null).token).href}/x.txt` };
  });
  for (const site of ["a", "b", ""]) {
    const layers = [auth({ users: usersNamed("ann"), state, site })];
    const fetch = toFetch(fileServer(memory({ "x.txt": site }), { layers, log: false }));
    for (const link of links) {
      const response = await fetch(new Request(link.url));
      assertEquals(response.status, link.site === site ? 200 : 404, `${link.site} on ${site}`);
      await response.body?.cancel();
    }
  }
});

Deno.test("a user sees and revokes only the links of the site", async () => {
  const state = volatileState();
  await using one = await sharingSite({ state, site: "one" });
  await using other = await sharingSite({ state, site: "other" });
  const { id, url } = await one.share({ paths: ["/team/"] });
  const headers = { authorization: `Basic ${btoa("ann:password")}` };
  assertEquals(JSON.parse(await other.text("/.pyserve/shares", { headers })).shares, []);
  assertEquals(await other.status(`/.pyserve/shares/${id}`, { method: "DELETE", headers }), 404);
  assertEquals(await one.status(url), 200);
  assertEquals(await one.status(`/.pyserve/shares/${id}`, { method: "DELETE", headers }), 204);
});

Deno.test("the session of one user file is not valid on a server with another, for the same name", async () => {
  await using tree = await tempTree();
  const state = volatileState();
  const [one, other] = await Promise.all(["one", "other"].map(async (name) => {
    const path = tree.at(name);
    await Deno.writeTextFile(path, `ann:${await hashPassword("the same password")}\n`);
    const layers = [auth({ users: userFile(path), state, site: name })];
    return toFetch(fileServer(memory({ "x.txt": name }), { layers, log: false }));
  })) as [ReturnType<typeof toFetch>, ReturnType<typeof toFetch>];
  const body = new URLSearchParams({ username: "ann", password: "the same password" });
  const login = await one(
    new Request("http://localhost/.pyserve/login", { method: "POST", body, headers: { origin: "http://localhost" } }),
  );
  const cookie = login.headers.get("set-cookie")!.split(";")[0]!;
  const status = async (fetch: typeof one) => {
    const response = await fetch(new Request("http://localhost/x.txt", { headers: { cookie } }));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await status(one), await status(other)], [200, 401]);
});

Deno.test("with a token for a path, only links that it could make are shown and revoked", async () => {
  await using site = await sharingSite();
  const secret = await site.share({ paths: ["/secret.txt"] });
  const uploads = await site.share({ paths: ["/team/"], rights: ["upload"] });
  const inside = await site.share({ paths: ["/team/plan.txt"] });
  const headers = bearer("team");
  const { shares } = JSON.parse(await site.text("/.pyserve/shares", { headers }));
  assertEquals(shares.map(({ id }: { id: string }) => id), [inside.id]);
  for (const { id, status } of [{ ...secret, status: 404 }, { ...uploads, status: 404 }, { ...inside, status: 204 }]) {
    assertEquals(await site.status(`/.pyserve/shares/${id}`, { method: "DELETE", headers }), status);
  }
  assertEquals([await site.status(secret.url), await site.status(inside.url)], [200, 404]);
});

Deno.test("a link made with a token ends with it: when it expires, and when it is deleted", async () => {
  await using tree = await tempTree();
  const path = tree.at("users");
  const expires = Date.now() + 3_600_000;
  const { text, line } = newToken("ann", { rights: ["read", "share"], path: "/", expires });
  const user = `ann:${await hashPassword("correct horse")}\n`;
  await Deno.writeTextFile(path, `${user}${line}\n`);
  await using site = await sharingSite({ users: userFile(path) });
  const body = JSON.stringify({ paths: ["/team/plan.txt"], for: "30d" });
  const init = { method: "POST", body, headers: { ...bearer(text), ...JSON_TYPE, accept: "application/json" } };
  const made = JSON.parse(await site.text("/.pyserve/shares", init));
  assertEquals(Math.floor(made.expires / 1000), Math.floor(expires / 1000));
  assert(typeof made.token === "string" && !("site" in made) && !("by" in made));
  assertEquals(await site.text(`/.pyserve/${made.link}`), "plan");
  const { shares: [listed] } = JSON.parse(await site.text("/.pyserve/shares", { headers: bearer(text) }));
  assertEquals(listed.link, made.link);
  await Deno.writeTextFile(path, user);
  await until(async () => await site.status(`/.pyserve/${made.link}`) === 404, "the link ends");
});

Deno.test("the page of an error in a share advises what the holder of a link can do", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/team/"] });
  const headers = { accept: "text/html" };
  const shared = await site.text(url.replace("team/", "secret.txt"), { headers });
  assert(shared.includes("Ask whoever sent you the link.") && !shared.includes("operator"), shared);
  const own = await site.text("/secret.txt", { headers: { ...headers, ...basic("bob") } });
  assert(own.includes("Ask the operator of this server for access."), own);
});
