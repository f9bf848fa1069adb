/** Hostile pages in a browser: neither those among the files nor those of other sites can write. */

import { assert, assertEquals } from "@std/assert";
import { type Browser, IN_BROWSER, launch } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { namesBelow } from "../support/upload.ts";

/** Tries to write in every way that a script has, and reports when it is done. */
const attack = (site: string) => `
  const form = new FormData();
  form.append("file", new File(["x"], "form.txt"));
  const tries = [
    () => fetch("${site}/put.txt", { method: "PUT", body: "x" }),
    () => fetch("${site}/old.txt", { method: "DELETE" }),
    () => fetch("${site}/old.txt", { method: "MOVE", headers: { destination: "/moved.txt" } }),
    () => fetch("${site}/", { method: "POST", body: form }),
    () => fetch("${site}/", { method: "POST", body: form, mode: "no-cors", credentials: "include" }),
    () => fetch("${site}/", { method: "POST", body: form, mode: "no-cors", referrerPolicy: "no-referrer" }),
    () => navigator.sendBeacon("${site}/", form),
    () => fetch("${site}/").then((response) => response.text()).then((text) => document.title = text),
    () => localStorage.setItem("pyserve.theme", "dark"),
  ];
  Promise.allSettled(tries.map(async (attempt) => await attempt())).then((tried) => {
    document.documentElement.setAttribute("tried", tried.map(({ status }) => status[0]).join(""));
  });`;

/** Sends a form by itself, as a page can without any script of its own at the other end. */
const FORM = (site: string) =>
  `<form method="post" enctype="multipart/form-data" action="${site}/">
<input name="file" type="file"><input name="on-conflict" value="rename"></form><script>
const data = new DataTransfer();
data.items.add(new File(["x"], "navigated.txt"));
document.querySelector("[type=file]").files = data.files;
document.forms[0].submit();</script>`;

const FILES = {
  "old.txt": "old",
  "page.html": `<!DOCTYPE html><title>page</title><script>${attack("")}</script>`,
  "picture.svg": `<svg xmlns="http://www.w3.org/2000/svg"><script><![CDATA[${attack("")}]]></script></svg>`,
  "data.xml": `<html xmlns="http://www.w3.org/1999/xhtml"><script><![CDATA[${attack("")}]]></script></html>`,
  "form.html": FORM(""),
  "docs/index.html": `<!DOCTYPE html><title>index</title><script>${attack("")}</script>`,
};

const PAGES = ["page.html", "picture.svg", "data.xml", "docs/"];

/** Opens a page, waits until it has tried everything, and returns the results: f(ulfilled) or r(ejected). */
async function opened(browser: Browser, url: string): Promise<{ tried: string; title: string }> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  await page.locator("[tried]").waitFor({ state: "attached" });
  const tried = await page.locator("[tried]").getAttribute("tried") ?? "";
  return { tried, title: await page.title() };
}

Deno.test({
  name: "a page among the files cannot write on behalf of its visitor, unless that is allowed",
  ...IN_BROWSER,
  async fn(t) {
    await using browser = await launch();
    await using tree = await tempTree(FILES);
    const before = await namesBelow(tree.path);
    {
      await using server = await start([tree.path, "--quiet", "--all"]);
      const base = `http://127.0.0.1:${server.port}`;
      for (const name of PAGES) {
        await t.step(name, async () => {
          const { tried, title } = await opened(browser, `${base}/${name}`);
          // Requests without reading were refused; responses cannot be read.
          assertEquals(tried, "rrrrfffrr");
          assert(!title.includes("Directory listing"), title);
        });
      }
      await t.step("form.html", async () => {
        const page = await (await browser.newContext()).newPage();
        await page.goto(`${base}/form.html`);
        await page.locator("body", { hasText: "A page of another site" }).waitFor();
      });
      assertEquals(await namesBelow(tree.path), before);
    }
    await t.step("--no-sandbox", async () => {
      await using server = await start([tree.path, "--quiet", "--upload", "--no-sandbox"]);
      const { tried } = await opened(browser, `http://127.0.0.1:${server.port}/page.html`);
      assertEquals(tried, "fffffffff");
      assert((await namesBelow(tree.path)).includes("put.txt"));
    });
  },
});

Deno.test({
  name: "a page of another site can write nothing",
  ...IN_BROWSER,
  async fn() {
    await using browser = await launch();
    await using tree = await tempTree({ "old.txt": "old" });
    await using server = await start([tree.path, "--quiet", "--all"]);
    const bodyOf = (path: string, site: string) =>
      path === "/form" ? FORM(site) : `<!DOCTYPE html><title>evil</title><script>${attack(site)}</script>`;
    for (const host of ["127.0.0.1", "localhost"]) {
      const site = `http://${host}:${server.port}`;
      const evil = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
        return new Response(bodyOf(new URL(request.url).pathname, site), { headers: { "content-type": "text/html" } });
      });
      const elsewhere = `http://127.0.0.1:${evil.addr.port}`;
      const { tried } = await opened(browser, `${elsewhere}/`);
      assertEquals(tried, "rrrrfffrf"); // the storage is its own
      const page = await (await browser.newContext()).newPage();
      await page.goto(`${elsewhere}/form`);
      await page.locator("body", { hasText: "A page of another site" }).waitFor();
      await page.context().close();
      await evil.shutdown();
    }
    assertEquals(await namesBelow(tree.path), ["old.txt"]);
  },
});
