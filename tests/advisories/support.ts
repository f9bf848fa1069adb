/**
 * The advisories of comparable servers, each as the request that would show the fault here. A step's name has the id.
 *
 * Left out until the features are there: CGI (CVE-2011-1015, CVE-2014-4650, PSF-2013-3, httpoxy, the FastCGI and
 * REMOTE_USER ones of Caddy), uploads and WebDAV (CVE-2025-67124 itself, tus, multipart), authentication and shares
 * (CVE-2026-27480, CVE-2026-61501, -61503, CVE-2025-58753), archives (miniserve #1568, zip-slip), compression on the
 * fly, search (CVE-2025-54796), rendered Markdown, configuration files and admin routes (CVE-2026-27586, -27589),
 * trusted proxies (CVE-2026-54089, but for the log). What is a fault on Windows only belongs beside isPlainOnWindows.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RunningCommand } from "../support/command.ts";
import { ask, type RawResponse } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

/** Names with quotes, backslashes and line ends, links and FIFOs: a Windows disk holds none of them. */
export const ignore = Deno.build.os === "windows";

/** Content and names outside the root, which no response may contain. */
export const SECRET = "secret-outside";

/** Text as the bytes of its UTF-8, a character each, as `ask` sends them. */
export function utf8(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Runs work for each item, a few at a time. */
export async function withEach<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const workers = Array.from({ length: 16 }, async () => {
    for (const item of rest) await each(item);
  });
  // All of them finish first: their requests must not outlive a failed test.
  const failed = (await Promise.allSettled(workers)).find((worker) => worker.status === "rejected");
  if (failed) throw failed.reason;
}

/** Fails unless there was a response, and no server error. */
export function assertAnswered({ status }: RawResponse, what: string): void {
  assert(status >= 200 && status < 500, `${what} was answered with ${status}`);
}

/** A redirect that cannot leave the server, however a browser reads it. */
export function assertLocal(response: RawResponse): void {
  const location = response.headers.get("location");
  if (location === null) return;
  assertMatch(location, /^(?![a-z][a-z\d+.-]*:)\/?(?![/\\])[\x21-\x7e]*$/i);
  assertEquals(new URL(location, "http://here.example/").host, "here.example");
}

export async function assertAlive({ port }: RunningCommand): Promise<void> {
  assertEquals((await ask(port, "GET", "/alive.txt")).text, "alive");
}

/** A root beside things that must not be served: a file, and a directory whose name begins with the root's. */
export function rootInSecrets() {
  return tempTree({
    "root/alive.txt": "alive",
    "root/sub/deep/in.txt": "in",
    "root/x.js": "plain",
    "root/x.js.gz": "gzip",
    [`${SECRET}.txt`]: SECRET,
    [`${SECRET}.txt.gz`]: SECRET,
    [`root-private/${SECRET}.txt`]: SECRET,
  });
}

export const SIZE = 1000;
export const CONTENT = "0123456789".repeat(SIZE / 10);

/** Placeholder gzip content: pyserve never decodes it. */
export const CODED = "coded, and longer than what it stands for";

export async function contentTree() {
  const tree = await tempTree({
    "alive.txt": "alive",
    "data.txt": CONTENT,
    "empty.txt": "",
    "sub/in.txt": "in",
    "x.js": "plain",
    "x.js.gz": CODED,
  });
  for (const name of ["x.js", "x.js.gz", "data.txt"]) await Deno.utime(tree.at(name), 1_600_000_000, 1_600_000_000);
  return tree;
}
