/** Advisories about names: spellings that a page, a link or a terminal could misinterpret. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { linksOf, skeletonOf, textOf, withoutOwnScript } from "../support/html.ts";
import { leadsTo } from "../support/location.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertLocal, ignore, withEach } from "./support.ts";

/** Names that a page, a link or a terminal could misinterpret. */
const NAMES: readonly (readonly [id: string, name: string])[] = [
  ["CVE-2024-52793 (std)", "<img src=x onerror=alert(1)>"],
  ["CVE-2024-32966 (static-web-server)", "<svg onload=alert(1)>"],
  ["GHSA-xw79-hhv6-578c (serve)", '"onmouseover="alert(1)'],
  ["CVE-2026-61504 (HFS)", "'onmouseover='alert(1)"],
  ["CVE-2025-11966 (Vert.x)", "<bdi><a><script>alert(1)<"],
  ["a comment", "<!--"],
  ["a quote", "'"],
  ["a double quote", '"'],
  ["a backtick", "`"],
  ["dufs #63", "abc&amp;def.txt"],
  ["dufs #669", "&lt;b&gt;&#60;"],
  ["CVE-2026-25500 (Rack)", "javascript:alert(1)"],
  ["a data URL", "data:text,html"],
  ["a URL of another server", "http:evil.example"],
  ["a line end", "new\nline"],
  ["CR LF", "x\r\nSet-Cookie: a=b"],
  ["a tab", "tab\there"],
  ["an escape sequence", "esc\x1b[2J\x07"],
  ["a control character of Latin-1", "csi\x9b2J"],
  ["a percent-encoded letter", "%41"],
  ["percent-encoded dots", "%2e%2e"],
  ["a percent-encoded percent sign", "%2541"],
  ["a percent sign", "%"],
  ["miniserve, serve: # and ?", "#?"],
  ["denoland/std #502", "?sort=size&format=json"],
  ["a backslash", "back\\slash"],
  ["GHSA-9q64-mpxx-87fg (ecstatic)", "\\\\evil.example"],
  ["an emoji", "😀👩‍🚀.txt"],
  ["CVE-2021-42574 (Trojan Source)", "rtl\u202etxt.exe"],
  ["line separators", "a\u2028b\u2029c"],
  ["spaces around", " a b "],
  ["three dots", "x..."],
  ["parameters", ";a=b"],
  ["a plus", "a+b"],
  ["a colon", ":"],
  ["a tilde", "~root"],
  ["CVE-2022-3517 (minimatch)", "{a,b}[!c]**"],
  ["CVE-2024-45296 (path-to-regexp)", "(a+)+$"],
  ["CVE-2026-30852 (Caddy): placeholders", "${HOME}{env.HOME}%h{{7*7}}"],
  ["an option", "-rf"],
  ["as long as a name can be", "a".repeat(255)],
];

/** Control and bidirectional characters, which are shown as code points. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function shown(name: string, [before, after]: readonly [string, string] = ["", ""]): string {
  return name.replace(
    UNSEEN,
    (c) => `${before}U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}${after}`,
  );
}

/** Each name as a file and as a directory with a file, and as many harmless ones. */
function namesTree() {
  const files: Record<string, string> = { "alive.txt": "alive", "a</script>/alert(1)</script>/in.txt": "script" };
  for (const [index, [, name]] of NAMES.entries()) {
    files[`files/${name}`] = files[`dirs/${name}/in.txt`] = `content of ${name}`;
    files[`plain/plain-${index}`] = files[`dirs/plain-${index}/in.txt`] = "plain";
  }
  return tempTree(files);
}

async function checkFile(port: number, page: string, name: string): Promise<void> {
  const names = Array.from(page.matchAll(/<bdi>([^]*?)<\/bdi>/g), ([bdi]) => textOf(bdi, "bdi"));
  assertEquals(names.filter((text) => text === shown(name)).length, 1);
  const targets = linksOf(page, "http://localhost/files/").filter((target) => {
    return target.startsWith("/files/") && decodeURIComponent(target.slice("/files/".length)) === name;
  });
  assertEquals(targets.length, 1);
  const { status, text } = await ask(port, "GET", targets[0]!);
  assertEquals([status, text], [200, `content of ${name}`]);
}

async function checkDirectory(port: number, name: string): Promise<void> {
  const redirect = await ask(port, "GET", `/dirs/${encodeURIComponent(name)}`);
  assertEquals([redirect.status, redirect.text], [301, ""]);
  assertLocal(redirect);
  const target = leadsTo(`/dirs/${encodeURIComponent(name)}`, redirect)!;
  const { text } = await ask(port, "GET", target, "Accept: text/html");
  assertEquals(textOf(text, "h1"), `Directory listing for /dirs/${shown(name)}/`);
  assertEquals(textOf(text, "title"), `Directory listing for /dirs/${shown(name, ["<", ">"])}/`);
  assertEquals(skeletonOf(text), skeletonOf((await ask(port, "GET", "/dirs/plain-0/", "Accept: text/html")).text));
  const links = linksOf(text, `http://localhost${target}`);
  for (const up of ["/", "/dirs/"]) assert(links.includes(up), `There is no link to ${up}`);
  const inside = links.filter((link) => link.endsWith("/in.txt"));
  assertEquals(inside.length, 1);
  assertEquals((await ask(port, "GET", inside[0]!)).text, `content of ${name}`);
}

Deno.test({ name: "advisories about names in pages", ignore }, async (t) => {
  await using tree = await namesTree();
  await using command = await start([tree.path]);
  const { port } = command;
  const page = (await ask(port, "GET", "/files/", "Accept: text/html")).text;

  for (const [id, name] of NAMES) {
    const quoted = JSON.stringify(name.slice(0, 40));
    await t.step(
      `${id}: the file ${quoted} is shown as text and its link fetches it`,
      () => checkFile(port, page, name),
    );
    await t.step(
      `${id}: the directory ${quoted} is text in title, heading and breadcrumb, and its links lead to it`,
      () => {
        return checkDirectory(port, name);
      },
    );
  }
  await t.step("CVE-2024-52793: names change nothing of the page but its text", async () => {
    const plain = (await ask(port, "GET", "/plain/", "Accept: text/html")).text;
    assertEquals(skeletonOf(page), skeletonOf(plain));
    assertEquals(page.replaceAll("\n", "").match(UNSEEN), null);
  });
  await t.step("CVE-2024-52793: directories that spell </script> together stay text", async () => {
    const target = "/a%3C/script%3E/alert(1)%3C/script%3E/";
    const { text } = await ask(port, "GET", target, "Accept: text/html");
    assertEquals(textOf(text, "title"), "Directory listing for /a</script>/alert(1)</script>/");
    assertEquals(textOf(text, "h1"), textOf(text, "title"));
    assert(!withoutOwnScript(text).includes("</script>"));
    assert(linksOf(text, `http://localhost${target}`).includes("/a%3C/script%3E/"));
  });
  await t.step("dufs #669, CVE-2026-61504 (HFS): the JSON of a listing is JSON, and its links fetch", async () => {
    const { headers, text } = await ask(port, "GET", "/files/?format=json");
    assertEquals([headers.get("content-type"), headers.get("x-content-type-options")], ["application/json", "nosniff"]);
    const entries: { name: string; href: string }[] = JSON.parse(text).entries;
    assertEquals(entries.map(({ name }) => name).toSorted(), NAMES.map(([, name]) => name).toSorted());
    await withEach(entries, async ({ name, href }) => {
      const { pathname, search } = new URL(href, "http://localhost/files/");
      assertEquals((await ask(port, "GET", pathname + search)).text, `content of ${name}`);
    });
  });
  await t.step("dufs #669: the plain text of a listing is never HTML, and has a line for each name", async () => {
    const { headers, text } = await ask(port, "GET", "/files/?format=text");
    assertEquals(headers.get("content-type"), "text/plain; charset=utf-8");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(text.split("\n").length, NAMES.length + 1);
    // deno-lint-ignore no-control-regex
    assertEquals(text.replaceAll("\n", "").match(/[\x00-\x1f\x7f-\x9f]/g), null);
  });
});
