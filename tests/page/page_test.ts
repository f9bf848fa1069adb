/** How the page gets its script, over HTTP. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { archives, fileServer, listing, memory, mount, searches, toFetch } from "@x/pyserve";
import { languages, sources, texts } from "../../handlers/page/asset_files.ts";
import { assertOnlyOwnScript } from "../support/html.ts";
import { tempTree } from "../support/tree.ts";

const SITE = memory({ "a.txt": "a", "deep/er/b.txt": "b" });
const fetch = toFetch(fileServer(SITE, { log: false }));

function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> {
  return Promise.resolve(fetch(new Request(`http://localhost${path}`, { method, headers })));
}

/** The address of the script in a page, resolved as a browser would. */
async function scriptOf(path: string, fetched = get): Promise<string> {
  const html = await (await fetched(path)).text();
  return new URL(/"([./]*\.pyserve\/\w+\/main\.js)"/.exec(html)![1]!, `http://localhost${path}`).pathname;
}

Deno.test("pages at every depth lead to the same script, also below a mount", async () => {
  const script = await scriptOf("/");
  assertMatch(script, /^\/\.pyserve\/[0-9a-f]{16}\/main\.js$/);
  assertEquals(await scriptOf("/deep/er/"), script);
  const below = toFetch(mount("/some/where", fileServer(SITE, { log: false })));
  const ask = (path: string) => Promise.resolve(below(new Request(`http://localhost${path}`)));
  assertEquals(await scriptOf("/some/where/deep/", ask), `/some/where${script}`);
  const response = await ask(`/some/where${script}`);
  assertEquals([response.status, await response.text().then((text) => text.includes("import"))], [200, true]);
});

Deno.test("every page allows its own script only, whatever its depth", async () => {
  for (const path of ["/", "/deep/", "/deep/er/"]) {
    const response = await get(path);
    await assertOnlyOwnScript(response.headers.get("content-security-policy")!, await response.text());
  }
});

Deno.test("no page of the server can be framed by another site, submit forms there, or get another base", async () => {
  const able = toFetch(fileServer(SITE, { features: [archives(), searches()], log: false }));
  const plain = toFetch(listing(SITE));
  for (const [fetch, target] of [[able, "/"], [able, "/?q=a"], [able, "/none"], [plain, "/"]] as const) {
    const { headers, body } = await fetch(
      new Request(`http://localhost${target}`, { headers: { accept: "text/html" } }),
    );
    await body?.cancel();
    const policy = headers.get("content-security-policy")!.split("; ");
    for (const directive of ["default-src 'none'", "frame-ancestors 'self'", "base-uri 'none'"]) {
      assert(policy.includes(directive), `${target}: ${directive} is not in ${policy}`);
    }
    assertMatch(policy.find((directive) => directive.startsWith("form-action "))!, /^form-action '(?:self|none)'$/);
    assertEquals(headers.get("referrer-policy"), "same-origin");
  }
});

Deno.test("the script is immutable, compressed, and revalidated", async () => {
  const script = await scriptOf("/");
  const plain = await get(script);
  assertEquals(plain.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assertEquals(plain.headers.get("content-type"), "text/javascript; charset=utf-8");
  assertEquals(plain.headers.get("x-content-type-options"), "nosniff");
  const text = await plain.text();
  const packed = await get(script, { "accept-encoding": "br, gzip" });
  assertEquals([packed.headers.get("content-encoding"), packed.headers.get("vary")], ["gzip", "accept-encoding"]);
  const unpacked = packed.body!.pipeThrough(new DecompressionStream("gzip"));
  assertEquals(await new Response(unpacked).text(), text);
  assert(packed.headers.get("etag") !== plain.headers.get("etag"));
  const again = await get(script, { "if-none-match": plain.headers.get("etag")! });
  assertEquals(again.status, 304);
  const head = await get(script, {}, "HEAD");
  assertEquals([head.headers.get("content-length"), await head.text()], [
    String(new TextEncoder().encode(text).length),
    "",
  ]);
});

Deno.test("every module that the script imports is there, and nothing else", async () => {
  const script = await scriptOf("/");
  const seen = new Set<string>();
  const visit = async (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const response = await get(path);
    assertEquals(response.status, 200, path);
    const found = (await response.text()).matchAll(/(?:from |import\()"\.\/([\w.]+\.js)"/g);
    for (const [, name] of found) await visit(new URL(name!, `http://localhost${path}`).pathname);
  };
  await visit(script);
  const directory = script.replace(/[^/]*$/, "");
  await visit(`${directory}live.js`); // the module of live reload, which pages of the site load
  for (const language of languages) await visit(`${directory}words_${language}.js`); // by the inline script
  const names = [...seen].map((path) => path.slice(directory.length)).sort();
  assertEquals(names, [...texts().keys()].sort());
  const written = Array.from(
    Deno.readDirSync(new URL("../../handlers/page/script", import.meta.url)),
    ({ name }) => name,
  );
  assertEquals([...sources.keys()].sort(), written.sort());
  for (
    const path of ["/.pyserve/", "/.pyserve/0000000000000000/main.js", `${directory}none.js`, `${script}/`, directory]
  ) {
    assertEquals((await get(path)).status, 404, path);
  }
});

Deno.test("a file of the site cannot stand in for the script", async () => {
  const script = await scriptOf("/");
  await using tree = await tempTree({ [script.slice(1)]: "alert(1)" });
  const hidden = toFetch(fileServer(tree.path, { log: false, hidden: true }));
  for (let i = 0; i < 3; i++) {
    const text = await (await hidden(new Request(`http://localhost${script}`))).text();
    assert(!text.includes("alert(1)"));
  }
});

Deno.test("listing() alone has no script, and the page says what the server can do", async () => {
  const bare = await (await toFetch(listing(SITE))(new Request("http://localhost/"))).text();
  assert(!bare.includes("<script") && !bare.includes("data-can"));
  const feature = { methods: ["PUT"], abilities: ["upload", "search"], handler: () => () => null };
  const able = toFetch(fileServer(SITE, { features: [feature], log: false }));
  const response = await able(new Request("http://localhost/"));
  const html = await response.text();
  assertMatch(html, /<html lang="en" data-can="upload search" data-path="\/">/);
  assertMatch(html, /<form class="hint" method="post" enctype="multipart\/form-data">/);
  assertMatch(response.headers.get("content-security-policy")!, /form-action 'self'/);
  const json = await (await able(new Request("http://localhost/?format=json"))).json();
  assertEquals(json.can, ["upload", "search"]);
});

Deno.test("no page links to another form of itself, which crawlers would fetch, too", async () => {
  const able = toFetch(fileServer(SITE, { features: [archives(), searches()], log: false }));
  for (const target of ["/", "/?sort=size&order=desc", "/?q=a"]) {
    const html = await (await able(new Request(`http://localhost${target}`))).text();
    const links = [...html.matchAll(/(?:href|src|action)="([^"]*)"/g)].map(([, link]) => link!);
    assert(links.length > 1);
    assertEquals(links.filter((link) => link.includes("?")), []);
  }
});

Deno.test("a page's text reads as sentences, with the singular for one byte", async () => {
  const able = toFetch(fileServer(memory({ "a.txt": "a", "ab.txt": "ab" }), { features: [searches()], log: false }));
  const text = async (path: string) => await (await able(new Request(`http://localhost${path}`))).text();
  for (const path of ["/", "/?q=a"]) {
    const titles = (await text(path)).matchAll(/title="(\d+ \w+)"/g);
    assertEquals(Array.from(titles, ([, title]) => title), ["1 byte", "2 bytes"], path);
  }
  assertMatch(await text("/?q=a"), /<h1>Search for <bdi>a<\/bdi> in <a href="\.\/"><bdi>\/<\/bdi><\/a><\/h1>/);
});
