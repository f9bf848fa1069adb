/** Attacks on a user in a real browser: pages of other origins, cookies of other servers, the back button after logging out. */

import { assert, assertEquals } from "@std/assert";
import { disk, type FetchFunction, fileServer, serve, toFetch, uploadFeatures } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { environmentUser } from "../../handlers/identity/users.ts";
import { IN_BROWSER, launch, type Page } from "../support/browser.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

/** A site on a port, that of the user `ann`. */
function siteOn(tree: TempTree) {
  const layers = [auth({ users: environmentUser("ann:correct horse"), rules: ["ann:all"] })];
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const fetch: FetchFunction = toFetch(fileServer(disk(tree.path), { features, layers, log: false }), {
    log: { access() {}, error() {} },
    localAddress: () => ({ hostname: "127.0.0.1", port: server.address.port }),
  });
  const server = serve(fetch, LOOPBACK);
  return server;
}

async function logIn(page: Page, base: string): Promise<void> {
  await page.goto(`${base}/secret/`);
  await page.fill("[name=username]", "ann");
  await page.fill("[name=password]", "correct horse");
  await Promise.all([page.waitForURL(`${base}/secret/`), page.click("form button")]);
}

/** What an attacker's page does with a server: `BASE` stands for it. */
const ATTACK = `<!DOCTYPE html><title>evil</title>
<form id="out" method="post" action="BASE/.pyserve/logout"></form>
<form id="in" method="post" action="BASE/.pyserve/login"><input name="username" value="ann"><input name="password" value="correct horse"><input name="to" value="//evil.example/"></form>
<form id="write" method="post" enctype="multipart/form-data" action="BASE/secret/"><input type="file" name="f"></form>
<script>
async function tries() {
  const seen = [];
  const tell = (name, promise) => promise.then((r) => r.text().then((text) => seen.push(name + " " + r.type + " " + r.status + " " + text.length)), () => seen.push(name + " failed"));
  const all = { credentials: "include" };
  await tell("get", fetch("BASE/secret/a.txt", all));
  await tell("no-cors", fetch("BASE/secret/a.txt", { ...all, mode: "no-cors" }));
  await tell("put", fetch("BASE/secret/evil.txt", { ...all, method: "PUT", body: "evil" }));
  await tell("delete", fetch("BASE/secret/a.txt", { ...all, method: "DELETE" }));
  await tell("post", fetch("BASE/.pyserve/logout", { ...all, method: "POST", mode: "no-cors" }));
  return seen;
}
</script>`;

Deno.test(
  { name: "pages of other origins read nothing, write nothing, and log in or out nobody", ...IN_BROWSER },
  async () => {
    await using tree = await tempTree({ "secret/a.txt": "SECRET" });
    const server = siteOn(tree);
    const base = `http://127.0.0.1:${server.address.port}`;
    const page = (_request: Request) => {
      return new Response(ATTACK.replaceAll("BASE", base), {
        // Another server on the host can set a cookie of this name, for a path of its choice: cookies know no ports.
        headers: [
          ["content-type", "text/html"],
          ["set-cookie", `pyserve-${server.address.port}=forged; Path=/secret/`],
          ["set-cookie", `__Host-pyserve-${server.address.port}=forged; Path=/; Secure`],
        ],
      });
    };
    const evil = Deno.serve({ ...LOOPBACK, onListen() {} }, page);
    await using browser = await launch();
    try {
      // Another host is another site; another port is the same site, to which the browser sends the cookie.
      for (const host of ["localhost", "127.0.0.1"]) {
        const context = await browser.newContext();
        const page = await context.newPage();
        await logIn(page, base);
        const own = (await context.cookies(base)).find(({ name }) => name.startsWith("pyserve"))!;
        assert(own.httpOnly && own.sameSite === "Lax");
        const attacker = await context.newPage();
        await attacker.goto(`http://${host}:${evil.addr.port}/`);
        const seen: string[] = await attacker.evaluate("tries()");
        const expected = ["get failed", "no-cors opaque 0 0", "put failed", "delete failed", "post opaque 0 0"];
        assertEquals(seen, expected, host);
        for (const id of ["out", "in", "write"]) {
          await attacker.goto(`http://${host}:${evil.addr.port}/`);
          const [answer] = await Promise.all([
            attacker.waitForResponse((response) => response.request().method() === "POST"),
            attacker.waitForURL((url) => url.href.startsWith(base)),
            attacker.evaluate(`document.getElementById(${JSON.stringify(id)}).submit()`),
          ]);
          assert([401, 403, 303].includes(answer.status()), `${id} ${answer.status()}`);
          assertEquals((await answer.allHeaders())["set-cookie"], undefined, `${host} ${id}`);
          const where = answer.headers()["location"];
          assert(where === undefined || where.includes("login?to="), where);
        }
        assertEquals([...Deno.readDirSync(tree.at("secret"))].map(({ name }) => name), ["a.txt"]);
        const response = await page.goto(`${base}/secret/a.txt`);
        assertEquals(
          [response!.status(), await response!.text()],
          [200, "SECRET"],
          `${host}: the session is still there`,
        );
        await context.close();
      }
    } finally {
      await evil.shutdown();
      await server.abort();
    }
  },
);

Deno.test(
  { name: "after logging out, the back button shows nothing, and the cookie is worth nothing", ...IN_BROWSER },
  async () => {
    await using tree = await tempTree({ "secret/hidden-name.txt": "SECRET" });
    const server = siteOn(tree);
    const base = `http://127.0.0.1:${server.address.port}`;
    await using browser = await launch();
    try {
      const context = await browser.newContext();
      const page = await context.newPage();
      await logIn(page, base);
      assert((await page.content()).includes("hidden-name"));
      await page.goto(`${base}/secret/hidden-name.txt`);
      const stolen = await context.cookies(base);
      await page.goto(`${base}/.pyserve/login`);
      await Promise.all([page.waitForResponse(/logout/), page.click("form[action*=logout] button")]);
      await page.waitForLoadState();
      for (let back = 0; back < 3; back++) {
        await page.goBack();
        await page.waitForLoadState();
        const text = (await page.content()).replaceAll(/value="[^"]*"/g, ""); // the path to go on with after logging in
        assert(!text.includes("SECRET") && !text.includes("hidden-name"), `back ${back + 1}: ${page.url()} ${text}`);
      }
      await context.addCookies(stolen);
      const response = await page.goto(`${base}/secret/hidden-name.txt`);
      assert(response!.url().includes("/.pyserve/login"));
      await context.close();
    } finally {
      await server.abort();
    }
  },
);
