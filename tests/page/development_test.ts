/** Sites and apps in a real browser: deep links of a single-page app, SharedArrayBuffer, pages of other origins. */

import { assertEquals } from "@std/assert";
import { IN_BROWSER, launch, newPage } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const FILES = {
  "index.html": `<!DOCTYPE html><title>App</title><p></p><img src="/missing.png" onerror="self.isMissing = true">
<script type="module" src="/app.js"></script>`,
  "app.js": `const show = () => document.querySelector("p").textContent = "route " + location.pathname;
self.go = (path) => (history.pushState({}, "", path), show());
addEventListener("popstate", show);
show();`,
  "worker.js": `onmessage = ({ data }) => (Atomics.store(new Int32Array(data), 0, 42), postMessage("done"));`,
  "data.json": `{"secret":42}`,
  "404.html": "<!DOCTYPE html><title>Not here</title><h1>Our own page</h1>",
};

Deno.test({
  name: "a deep link of a single-page app opens, reloads and goes back; what is missing is missing",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree(FILES);
    await using server = await start([tree.path, "--quiet", "--spa"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    const shown = async (text: string) => await page.locator("p", { hasText: text }).waitFor();
    assertEquals((await page.goto(`${base}/users/42?tab=1`))?.status(), 200);
    await shown("route /users/42");
    await page.waitForFunction("self.isMissing");
    await page.evaluate("go('/settings/profile')");
    await shown("route /settings/profile");
    await page.reload();
    await shown("route /settings/profile");
    await page.goBack();
    await shown("route /users/42");
    const statuses = await page.evaluate(`Promise.all(
      ["/missing.js", "/users/42", "/missing.json"].map(async (path) => (await fetch(path)).status))`);
    assertEquals(statuses, [404, 404, 404]);
    assertEquals((await page.goto(`${base}/missing.html`))?.status(), 404);
    assertEquals(await page.locator("h1").textContent(), "Our own page");
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "SharedArrayBuffer works with --isolated, and not without",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree(FILES);
    await using isolated = await start([tree.path, "--quiet", "--isolated"]);
    await using usual = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const shares = `new Promise((resolve, reject) => {
      if (!self.crossOriginIsolated) return resolve("not isolated");
      const buffer = new SharedArrayBuffer(4);
      const worker = new Worker("/worker.js");
      worker.onerror = () => reject(new Error("The worker failed"));
      worker.onmessage = () => resolve(Atomics.load(new Int32Array(buffer), 0));
      worker.postMessage(buffer);
    })`;
    for (const [{ port }, expected] of [[isolated, 42], [usual, "not isolated"]] as const) {
      const page = await newPage(browser, `http://127.0.0.1:${port}`);
      await page.goto(`http://127.0.0.1:${port}/data.json`);
      assertEquals(await page.evaluate(shares), expected);
      assertEquals(page.problems, []);
    }
  },
});

Deno.test({
  name: "a page of another origin reads under --cors, and not without",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree(FILES);
    await using app = await start([tree.path, "--quiet"]);
    const origin = `http://127.0.0.1:${app.port}`;
    const serve = (...args: string[]) => {
      const env = { U: "ann:secret", XDG_STATE_HOME: tree.at(".state") };
      return start([tree.path, "--quiet", "--auth-env", "U", "--public", ...args], { env });
    };
    await using any = await serve("--cors");
    await using named = await serve(`--cors=${origin}`);
    await using other = await serve("--cors=https://other.example");
    await using none = await serve();
    await using browser = await launch();
    const page = await newPage(browser, "http://127.0.0.1");
    await page.goto(`${origin}/404.html`);
    const read = (port: number, path: string, init: RequestInit = {}) =>
      page.evaluate(`fetch("http://127.0.0.1:${port}${path}", ${JSON.stringify(init)}).then(
        async (response) => [response.status, await response.text(), response.headers.get("content-range")],
        (error) => error.name)`);
    const part = { headers: { range: "bytes=2-7", "x-own": "1" } }; // needs a preflight request
    const asUser = { credentials: "include" } as const;
    for (const { port } of [any, named]) {
      assertEquals(await read(port, "/data.json"), [200, FILES["data.json"], null]);
      assertEquals(await read(port, "/data.json", part), [206, "secret", "bytes 2-7/13"]);
      assertEquals(await read(port, "/missing.json"), [404, "404 Not Found: File not found\n", null]);
      const authorization = `Basic ${btoa("ann:secret")}`;
      assertEquals(await read(port, "/data.json", { headers: { authorization } }), [200, FILES["data.json"], null]);
    }
    assertEquals(await read(named.port, "/data.json", asUser), [200, FILES["data.json"], null]);
    assertEquals(await read(any.port, "/data.json", asUser), "TypeError");
    for (const { port } of [other, none]) {
      assertEquals(await read(port, "/data.json"), "TypeError");
      assertEquals(await read(port, "/data.json", part), "TypeError");
    }
    assertEquals(await read(named.port, "/data.json", { method: "DELETE" }), "TypeError");
  },
});
