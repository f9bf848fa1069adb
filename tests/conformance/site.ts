/** The tree that is served, with everything that the rows test. */

import { join } from "@std/path/join";
import { start } from "../support/command.ts";
import { raw } from "../support/raw.ts";
import { settleTimes, tempTree } from "../support/tree.ts";

/** Must not appear in any response. */
export const FORBIDDEN = "not to be read";

/** 100,000 bytes of text without repetitions. */
export const DATA = Array.from({ length: 12_500 }, (_, line) => String(line).padStart(7, "0") + "\n").join("");

export const MODIFIED = "Sun, 02 Feb 2020 02:02:02 GMT";
export const EARLIER = "Sat, 01 Feb 2020 02:02:02 GMT";
export const LATER = "Mon, 03 Feb 2020 02:02:02 GMT";

export const FILES: Readonly<Record<string, string>> = {
  "hello.txt": "hello, world\n",
  "data.bin": DATA,
  "empty.txt": "",
  "dir/file.txt": "in dir\n",
  "dir/e\u0301.txt": "decomposed\n",
  "dir2/file.txt": "in dir2\n",
  "site/index.html": "<!DOCTYPE html><title>Site</title>\n",
  "edited/file.txt": "first\n",
  "odd.unknown": "<html><script>alert(1)</script></html>\n",
  "noextension": "<html></html>\n",
  "archive.tar.gz": "as good as an archive\n",
  "coded/app.js": "plain\n".repeat(100),
  "coded/app.js.br": "br\n",
  "coded/app.js.zst": "zst\n",
  "coded/app.js.gz": "gzip, and long enough for ranges\n",
  "coded/stale.js": "plain\n",
  "coded/stale.js.gz": "stale\n",
  "coded/folder.js": "plain\n",
  "coded/folder.js.gz/a.txt": "",
  "coded/alone.js": "plain\n",
  ".env": "hidden\n",
  ".git/config": "hidden\n",
  "dir/.hidden/file.txt": "hidden\n",
  ".well-known/security.txt": "Contact: mailto:a@example.org\n",
};

export const POSIX = Deno.build.os !== "windows";

/** Names that only POSIX has; each file's content is its name. */
export const NAMES = POSIX
  ? [
    " lead",
    "trail ",
    "trail.",
    "a b.txt",
    "a%20b.txt",
    "%2e%2e",
    "50%.txt",
    "a#b.txt",
    "a?b.txt",
    "a&b.txt",
    "a&amp;b.txt",
    'a"b.txt',
    "a'b.txt",
    "a;b.txt",
    "a:b.txt",
    "a+b.txt",
    "a=b",
    "*",
    "{}|^`",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "http:evil",
    "back\\slash.txt",
    "new\nline.txt",
    "tab\t.txt",
    "esc\x1b[2J.txt",
    "c1\x9b2J.txt",
    "rtl\u202egpj.txt",
    "é.txt",
    "日本.txt",
    "😀.txt",
    "\uff0e\uff0e",
  ]
  : ["a b.txt", "a%20b.txt", "a#b.txt", "a&b.txt", "a'b.txt", "日本.txt"];

/** Directories whose names would be misread in a Location or a page. */
export const DIRECTORIES = POSIX ? ["dir?q", "\\evil.example", "y<", "c:", "e\rf"] : ["dir#q"];

/** A target for every kind of response to GET. */
export const KINDS: readonly (readonly [status: number, target: string, ...lines: string[]])[] = [
  [200, "/hello.txt"],
  [200, "/data.bin"],
  [200, "/empty.txt"],
  [200, "/site/"],
  [200, "/dir/"],
  [200, "/dir/", "Accept: application/json"],
  [301, "/dir"],
  [304, "/hello.txt", "If-None-Match: *"],
  [400, "/%zz"],
  [404, "/missing"],
  [404, "/missing", "Accept: text/html"],
  [404, "/missing", "Accept: application/json"],
  [412, "/hello.txt", 'If-Match: "nope"'],
];

/** Names of files, each with the type that it has to have. */
export const TYPES: Readonly<Record<string, string>> = {
  "a.html": "text/html; charset=utf-8",
  "a.HTM": "text/html; charset=utf-8",
  "a.css": "text/css; charset=utf-8",
  "a.js": "text/javascript; charset=utf-8",
  "a.mjs": "text/javascript; charset=utf-8",
  "a.txt": "text/plain; charset=utf-8",
  "a.TXT": "text/plain; charset=utf-8",
  "a.md": "text/markdown; charset=utf-8",
  "a.csv": "text/csv; charset=utf-8",
  "a.json": "application/json",
  "a.wasm": "application/wasm",
  "a.webmanifest": "application/manifest+json",
  "a.pdf": "application/pdf",
  "a.svg": "image/svg+xml",
  "a.png": "image/png",
  "a.jpg": "image/jpeg",
  "a.webp": "image/webp",
  "a.avif": "image/avif",
  "a.woff2": "font/woff2",
  "a.mp4": "video/mp4",
  "a.zip": "application/zip",
  "a.gz": "application/gzip",
  "a.tar.gz": "application/gzip",
  "a.tgz": "application/gzip",
  "a.PY": "text/x-python; charset=utf-8",
  "a.unknown": "application/octet-stream",
  "html": "application/octet-stream",
};

interface Site extends AsyncDisposable {
  /** The directory to serve; its siblings must stay invisible. */
  readonly root: string;
  /** Entity tags by placeholder. */
  readonly tags: Record<string, string>;
  at(name: string): string;
}

/** What is served, from `openSite` to `closeSite`. */
export let site: Site;

export async function openSite(): Promise<void> {
  site = await makeSite();
}

export async function closeSite(): Promise<void> {
  await site[Symbol.asyncDispose]();
}

async function makeSite(): Promise<Site> {
  const served = Object.entries(FILES).map(([name, content]) => [`www/${name}`, content] as const);
  const typed = Object.keys(TYPES).map((name) => [`www/types/${name}`, ""] as const);
  const named = NAMES.map((name) => [`www/names/${name}`, name] as const);
  const tree = await tempTree({
    ...Object.fromEntries([...served, ...named, ...typed]),
    "www-private/secret.txt": FORBIDDEN,
    "outside/out.txt": "outside\n",
  });
  const root = tree.at("www");
  const at = (name: string) => join(root, name);
  for (const name of DIRECTORIES) await Deno.mkdir(at(`dirs/${name}`), { recursive: true });
  if (POSIX) await makePosix(at);
  for (const name of Object.keys(FILES)) await settleTimes(at(name), Date.parse(MODIFIED) / 1000);
  await settleTimes(at("coded/stale.js.gz"), Date.parse(EARLIER) / 1000);
  await Deno.utime(at("dir2/file.txt"), Date.now() / 1000 + 86_400, Date.now() / 1000 + 86_400);
  const tags = await settledTags(root, "dir2/file.txt");
  return {
    root,
    tags,
    at,
    async [Symbol.asyncDispose]() {
      if (POSIX) await Deno.chmod(at("special/noread"), 0o755);
      await tree[Symbol.asyncDispose]();
    },
  };
}

async function makePosix(at: (name: string) => string): Promise<void> {
  await Deno.mkdir(at("names/y</script>"), { recursive: true });
  await Deno.mkdir(at("links"));
  await Deno.symlink("../dir/file.txt", at("links/inside.txt"));
  await Deno.symlink("../../outside", at("links/outside"));
  await Deno.symlink("../../www-private", at("links/private"));
  await Deno.symlink("/etc/passwd", at("links/absolute"));
  await Deno.symlink("loop", at("links/loop"));
  await Deno.symlink("nothing", at("links/broken"));
  await Deno.mkdir(at("special/noread"), { recursive: true });
  await Deno.writeTextFile(at("special/noread/file.txt"), FORBIDDEN);
  await Deno.writeTextFile(at("special/unreadable.txt"), FORBIDDEN);
  await Deno.chmod(at("special/unreadable.txt"), 0);
  await Deno.chmod(at("special/noread"), 0);
}

/** Waits until the entity tag of the last changed file is strong, and reads the tags that the tables refer to. */
async function settledTags(root: string, last: string): Promise<Record<string, string>> {
  await using server = await start([root]);
  const tag = async (name: string) =>
    (await raw(server.port, `HEAD /${name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).headers.get(
      "etag",
    )!;
  for (let tries = 0; (await tag(last)).startsWith("W/"); tries++) {
    if (tries === 200) throw new Error("Entity tags stay weak");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { etag: await tag("hello.txt"), data: await tag("data.bin") };
}
