/** With a proxy that strips a prefix, no redirect, Location or link leaves the prefix. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { chain, derive, fileServer, type Handler, memory, mount, toFetch } from "@x/pyserve";
import { parseTarget, Refusal } from "@x/pyserve/http";
import { noise } from "../support/bytes.ts";
import { IN_BROWSER, launch, newPage, openFolder } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { leadsTo } from "../support/location.ts";
import { nginx } from "../support/nginx.ts";
import { missing } from "../support/programs.ts";
import { oldTree, tempTree } from "../support/tree.ts";

for (const protocol of ["HTTP/1.1", "HTTP/1.0"]) {
  Deno.test({
    name: `redirects and locations stay below the prefix of a proxy (${protocol})`,
    ignore: missing("nginx"),
    async fn(t) {
      await using tree = await tempTree({ "s/docs/a.txt": "a", "s/b.txt": "b" });
      await using command = await start([tree.at("s"), "--all", "--protocol", protocol]);
      await using scratch = await tempTree({});
      await using proxy = await nginx(scratch.path, command.port);

      /** The URL of a Location, as a browser resolves it. */
      const place = async (method: string, path: string, init: RequestInit = {}) => {
        const response = await fetch(proxy.url + path, { method, redirect: "manual", ...init });
        await response.body?.cancel();
        const location = response.headers.get("location");
        const url = location === null ? "" : new URL(location, proxy.url + path).href;
        return [response.status, url.startsWith(proxy.url) ? url.slice(proxy.url.length) : url];
      };
      const form = () => {
        const data = new FormData();
        data.append("file", new File(["x"], `${crypto.randomUUID()}.txt`));
        return { body: data, headers: { accept: "text/html" } };
      };
      await t.step("directories", async () => {
        assertEquals(await place("GET", "/docs?x=1"), [301, "/docs/?x=1"]);
        assertEquals(await place("GET", "//docs"), [301, "/docs/"]);
      });
      await t.step("forms", async () => {
        assertEquals(await place("POST", "/docs/", form()), [303, "/docs/"]);
        assertEquals(await place("POST", "/docs", form()), [303, "/docs/"]);
        assertEquals(await place("POST", "/", form()), [303, "/"]);
      });
      await t.step("a creation", async () => {
        assertEquals(await place("MKCOL", "/m/"), [201, "/m/"]);
        assertEquals(await place("MKCOL", "/m/n"), [201, "/m/n/"]);
        assertEquals(await place("PUT", "/m/x.txt", { body: "x" }), [201, "/m/x.txt"]);
        assertEquals(await place("PUT", "/b.txt?on-conflict=rename", { body: "x" }), [201, "/b%20%281%29.txt"]);
      });
      await t.step("a move, if the proxy rewrites Destination", async () => {
        const headers = { destination: "/m/n/b.txt" };
        assertEquals(await place("MOVE", "/docs/a.txt", { headers }), [201, "/m/n/b.txt"]);
      });
      await t.step("an upload in pieces", async () => {
        const headers = { "upload-complete": "?0" };
        const [status, url] = await place("PUT", "/m/long.bin", { body: "x", headers });
        assertEquals(status, 201);
        assertMatch(String(url), /^\/m\/long\.bin\?upload=[\w-]+$/);
      });
      await t.step("the start page that errors link to", async () => {
        const path = "/docs/sub/none";
        const page = await (await fetch(proxy.url + path, { headers: { accept: "text/html" } })).text();
        const link = /<a href="([^"]*)">Go to the start page/.exec(page)?.[1];
        assertEquals(new URL(link ?? "none", proxy.url + path).href, `${proxy.url}/`);
      });
    },
  });
}

Deno.test("a redirect is relative to the client's target, even if a layer or a mount has rewritten it", async () => {
  const source = memory({ "docs/a.txt": "a" });
  const site = fileServer(source, { log: false });
  const elsewhere: Handler = (request, context) => {
    const target = parseTarget("/docs");
    return target instanceof Refusal ? null : site(request, derive(context, { target }));
  };
  const fetched = async (handler: Handler, target: string) => {
    const response = await toFetch(handler)(new Request(`http://localhost${target}`));
    await response.body?.cancel();
    return leadsTo(target, response);
  };
  assertEquals(await fetched(mount("/below", site), "/below/docs?x"), "/below/docs/?x");
  assertEquals(await fetched(mount("/below", site), "/below//docs"), "/below/docs/");
  assertEquals(await fetched(chain(mount("/rewritten", elsewhere)), "/rewritten/a/b"), "/rewritten/docs/");
});

Deno.test("a cached error page links to the start page relative to each request", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  const site = toFetch(mount("/below", fileServer(tree.path, { log: false })));
  for (const [target, start] of [["/below/none", "../"], ["/below//none", "../../"], ["/below/none", "../"]] as const) {
    for (let i = 0; i < 3; i++) {
      const request = new Request(`http://localhost${target}`, { headers: { accept: "text/html", host: "localhost" } });
      const page = await (await site(request)).text();
      assertEquals(/<a href="([^"]*)">Go to the start page/.exec(page)?.[1], start, target);
    }
  }
});

Deno.test({
  name: "zsync fetches the missing parts, in several ranges of one request",
  ignore: missing("zsync", "zsyncmake"),
  async fn() {
    await using tree = await tempTree({});
    const whole = noise(1024 * 1024);
    const old = whole.slice(0, whole.length / 2);
    old.fill(0x20, 200_000, 202_000); // what is missing is in the middle and at the end
    await Deno.mkdir(tree.at("s"));
    await Deno.writeFile(tree.at("s/f"), whole);
    await Deno.writeFile(tree.at("old"), old);
    const make = new Deno.Command("zsyncmake", {
      args: ["-u", "f", "-o", "f.zsync", "f"],
      cwd: tree.at("s"),
      stderr: "null",
    });
    assert((await make.output()).success);
    await using command = await start([tree.at("s")]);
    // It repeats requests whose responses it does not understand, forever.
    const args = [
      "30",
      "zsync",
      "-q",
      "-i",
      tree.at("old"),
      "-o",
      tree.at("new"),
      `http://127.0.0.1:${command.port}/f.zsync`,
    ];
    const { code } = await new Deno.Command("timeout", { args, stdout: "null", stderr: "null" }).output();
    assertEquals(code, 0);
    assertEquals(await Deno.readFile(tree.at("new")), whole);
    await command.untilStderr('"GET /f HTTP/1.1" 206');
    assertEquals(command.stderr().match(/"GET \/f HTTP\/1\.1" 206/g)?.length, 1);
  },
});

Deno.test({
  ...IN_BROWSER,
  ignore: IN_BROWSER.ignore || missing("nginx"),
  name: "the page works below the prefix of a proxy: its script, renaming, a directory without its slash",
  async fn() {
    await using tree = await tempTree({ "s/a b/old.txt": "x" });
    await using command = await start([tree.at("s"), "--all"]);
    await using scratch = await tempTree({});
    await using proxy = await nginx(scratch.path, command.port);
    await using browser = await launch();
    const page = await newPage(browser, proxy.url);
    await openFolder(page, `${proxy.url}/a%20b`);
    assertEquals(page.url(), `${proxy.url}/a%20b/`);
    await page.locator("tbody a", { hasText: "old.txt" }).focus();
    await page.keyboard.press("F2");
    await page.getByLabel("New name").fill("new #1.txt");
    await page.keyboard.press("Enter");
    await page.locator("tbody a", { hasText: "new #1.txt" }).waitFor();
    assertEquals(await Deno.readTextFile(tree.at("s/a b/new #1.txt")), "x");
    assertEquals(page.problems, []);
  },
});
