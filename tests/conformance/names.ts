/** Names in listings and pages. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertOnlyOwnScript, withoutOwnScript } from "../support/html.ts";
import { missing } from "../support/programs.ts";
import { DIRECTORIES, NAMES, POSIX, site } from "./site.ts";
import { allLinks, entryLinks, exchange, get, type Row, row, send, words } from "./support.ts";

export const NAME_ROWS: readonly Row[] = [
  row(73, "3986 2.4", "every link of a listing leads to the file that it names", {
    async check(port) {
      const links = entryLinks((await get(port, "/names/")).text);
      const found = [];
      for (const link of links.filter((link) => !link.endsWith("/"))) {
        const url = new URL(link, "http://localhost/names/");
        assertEquals(
          [url.host, url.pathname.startsWith("/names/"), url.search + url.hash],
          ["localhost", true, ""],
          link,
        );
        found.push((await get(port, url.pathname)).text);
      }
      assertEquals(found.toSorted(), NAMES.toSorted());
    },
  }),
  row(73, "3986 4.2", "no link of a listing has a scheme or a host, and those of directories end in a slash", {
    async check(port) {
      const links = [...entryLinks((await get(port, "/names/")).text), ...entryLinks((await get(port, "/dirs/")).text)];
      for (const link of links) assertMatch(link, /^(?:\.\/)?(?:[\w.~-]|%[0-9A-F]{2})+\/?$/);
      const directories = entryLinks((await get(port, "/dirs/")).text);
      assertEquals(directories.length, DIRECTORIES.length);
      for (const link of directories) {
        assertMatch(link, /\/$/);
        await exchange(port, send(`GET /dirs/${link}`).gets(200, {}, /Directory listing/));
      }
    },
  }),
  row(74, "9110 17.1", "names are text, and what cannot be seen is made visible", {
    async check(port) {
      const { text } = await get(port, "/names/");
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(text));
      assert(!text.includes("<img") && !text.includes("new\nline"));
      assert([...text.matchAll(/<bdi>/g)].length >= NAMES.length);
      assert(text.includes("a&amp;b.txt"));
      if (!POSIX) return;
      for (const shown of ["&lt;img src=x onerror=alert(1)&gt;", "a&amp;amp;b.txt", "a&quot;b.txt", "a&#39;b.txt"]) {
        assert(text.includes(shown), shown);
      }
      for (const visible of words("U+000A U+001B U+009B U+202E")) assert(text.includes(visible), visible);
    },
  }),
  row(74, "9110 17.1", "a listing as text has a line for each name, and no control characters", {
    async check(port) {
      const { text } = await get(port, "/names/", "Accept: text/plain");
      const lines = text.trimEnd().split("\n").filter((line) => !line.endsWith("/"));
      assertEquals(lines.length, NAMES.length);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(text));
    },
  }),
  row(75, "9110 17.1", "the title and the way up are names too", {
    ignore: !POSIX,
    async check(port) {
      for (const target of ["/names/y%3C/", "/names/y%3C/script%3E/"]) {
        const { text } = await get(port, target);
        assert(!text.includes("y</script>") && !/<script/i.test(withoutOwnScript(text)), text);
        assertMatch(/<title>(.*)<\/title>/.exec(text)?.[1] ?? "", /y&lt;\/(?:script&gt;\/)?$/);
        assertMatch(/<h1>(.*)<\/h1>/.exec(text)?.[1] ?? "", /y&lt;/);
      }
      const json = await get(port, "/names/y%3C/script%3E/?format=json");
      assertEquals(JSON.parse(json.text).path, "/names/y</script>/");
      assertMatch(json.headers.get("content-type") ?? "", /^application\/json/);
    },
  }),
  row(76, "9110 17.1", "error pages do not repeat what was asked for", {
    asks: words("text/html application/json text/plain */*").flatMap((type) =>
      ["/%3Cscript%3Ealert(1)%3C/script%3E", "/<script>alert(1)</script>", "/x?<script>alert(1)</script>"].map((
        target,
      ) => send(`GET ${target}`, `Accept: ${type}`).gets(404, {}, /^(?!.*<script)(?!.*alert)/is))
    ),
  }),
  row(77, "3986 4.2", "links are relative, so that //dir/ names no host", {
    async check(port) {
      for (const target of ["//dirs/", "//names//", "/dir/.."]) {
        const { text } = await get(port, target);
        for (const link of allLinks(text)) assert(!/^(?:\/|[a-z][\w+.-]*:)/i.test(link), link);
      }
    },
  }),
  row(78, "3986 2.5", "a name that is not UTF-8 is shown, and has no link that leads nowhere", {
    ignore: Deno.build.os !== "linux" || missing("sh"),
    async check(port) {
      await Deno.mkdir(site.at("bytes"), { recursive: true });
      const make = new Deno.Command("sh", { args: ["-c", `printf x > "$(printf 'a\\377b')"`], cwd: site.at("bytes") });
      assert((await make.output()).success);
      const { text } = await get(port, "/bytes/");
      assert(text.includes("a\ufffdb") && text.includes("not UTF-8"), text);
      assertEquals(entryLinks(text), []);
      await exchange(port, send("GET /bytes/a%FFb").gets([400, 404]));
    },
  }),
  row(79, "9110 8.3", "a listing is a whole document that allows nothing", {
    async check(port) {
      const { text, headers } = await get(port, "/names/");
      assertMatch(text, /^<!DOCTYPE html>\n<html lang="en"[ >]/);
      for (const tag of ['<meta charset="utf-8">', '<meta name="viewport"', "<title>", "</html>"]) {
        assert(text.includes(tag), tag);
      }
      await assertOnlyOwnScript(headers.get("content-security-policy") ?? "", text);
      assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
    },
  }),
  row(80, "9110 17.4", "neither the path of the root nor program internals are disclosed", {
    asks: ["text/html", "application/json", "text/plain"].flatMap((type) =>
      words("/ /names/ /missing /%zz /special/ /links/ /links/loop /hello.txt/x /dir/?sort=x").map(
        (target) => send(`GET ${target}`, `Accept: ${type}`).gets([200, 400, 404], {}, /^(?!.*\.ts:\d+)/s),
      )
    ),
  }),
];
