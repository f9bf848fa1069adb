/** Follows the links of listings through a whole tree and compares every byte with the disk. */

import { join } from "@std/path/join";

/** What a crawl saw. */
export interface Crawl {
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
  /** Differences from the disk, in words. */
  readonly problems: readonly string[];
}

/** Requests under way at once. */
const AT_ONCE = 32;

/**
 * Crawls the listings at a URL that ends in `/`, and compares with the directory on disk: every visible file there has to
 * be found and equal.
 */
export async function crawl(base: string, root: string): Promise<Crawl> {
  const seen = { files: 0, directories: 0, bytes: 0, problems: [] as string[] };
  const queue: { url: string; path: string }[] = [{ url: base, path: root }];
  const work = async ({ url, path }: { url: string; path: string }) => {
    const response = await fetch(url, { headers: { accept: "text/html" } });
    const body = new Uint8Array(await response.arrayBuffer());
    if (response.status !== 200) seen.problems.push(`${response.status} for ${url}`);
    else if (url.endsWith("/")) queue.push(...await entries(url, path, body, seen.problems));
    else await compare(path, body, seen.problems);
    seen[url.endsWith("/") ? "directories" : "files"] += 1;
    seen.bytes += body.length;
  };
  while (queue.length > 0) await Promise.all(queue.splice(-AT_ONCE).map(work));
  return seen;
}

async function entries(url: string, path: string, body: Uint8Array, problems: string[]) {
  const html = new TextDecoder().decode(body);
  const hrefs = [...html.matchAll(/<th scope="row"><a href="([^"]+)"/g)].map(([, href]) => href!).filter((href) =>
    href !== "../"
  );
  const found = hrefs.map((href) => ({ url: new URL(href, url).href, path: join(path, decodeURIComponent(href)) }));
  const names = new Set(found.map((entry) => entry.path.replace(/[/\\]$/, "")));
  for await (const { name, isFile, isDirectory } of Deno.readDir(path)) {
    const visible = (isFile || isDirectory) && (!name.startsWith(".") || name === ".well-known");
    if (visible && !names.has(join(path, name))) problems.push(`not listed: ${join(path, name)}`);
  }
  return found;
}

async function compare(path: string, body: Uint8Array, problems: string[]): Promise<void> {
  const expected = await Deno.readFile(path);
  const equal = expected.length === body.length && expected.every((byte, index) => byte === body[index]);
  if (!equal) problems.push(`not equal: ${path}`);
}
