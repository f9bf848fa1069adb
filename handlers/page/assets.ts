/**
 * Serves the files of the page script from memory.
 *
 * @module
 */

import { sendContent } from "../serving/content.ts";
import { assetFiles, SCRIPT_DIRECTORY } from "./script.ts";
import { openBytes } from "../sources/memory.ts";
import type { Handler } from "../core/types.ts";

interface Asset {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

const assets = new Map<string, Promise<Asset>>();

/**
 * Serves the script of the pages that {@linkcode listing} generates if it has `abilities`; declines all other requests.
 *
 * Put it before any handler that serves files. It responds to `/.pyserve/VERSION/NAME`, where VERSION is a hash of all
 * files, and to nothing else there. Responses are immutable.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, listing, memory, toFetch } from "@x/pyserve";
 * import { pageAssets } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch(chain(pageAssets(), listing(memory({ "a.txt": "a" }), { abilities: [] })));
 * const page = await (await fetch(new Request("http://localhost/"))).text();
 * const [path] = /\.pyserve\/\w+\/main\.js/.exec(page)!;
 * const script = await fetch(new Request(`http://localhost/${path}`));
 * assert(script.headers.get("content-type") === "text/javascript; charset=utf-8");
 * await script.body?.cancel();
 * ```
 */
export function pageAssets(): Handler {
  return (request, { target }) => {
    const { segments } = target.path;
    if (segments[0] !== SCRIPT_DIRECTORY || segments.length !== 3 || target.slash) return null;
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    return answer(request, segments[1]!, segments[2]!);
  };
}

async function answer(request: Request, version: string, name: string): Promise<Response | null> {
  const files = await assetFiles();
  if (version !== files.version || !files.texts().has(name)) return null;
  if (!assets.has(name)) assets.set(name, load(name, files.texts().get(name)!));
  const { type, plain, gzip } = await assets.get(name)!;
  return sendContent(request, {
    type,
    size: plain.length,
    modified: null,
    etag: `"${version}"`,
    headers: { "cache-control": "public, max-age=31536000, immutable" },
    ranges: false,
    codedIn: (coding) => {
      if (coding !== "gzip") return null;
      return { size: gzip.length, etag: `"${version}-gzip"`, open: () => openBytes(gzip) };
    },
    open: () => openBytes(plain),
  });
}

async function load(name: string, text: string): Promise<Asset> {
  const plain = new TextEncoder().encode(text);
  const coded = new Blob([plain]).stream().pipeThrough(new CompressionStream("gzip"));
  const gzip = new Uint8Array(await new Response(coded).arrayBuffer());
  return { type: `text/${name.endsWith(".css") ? "css" : "javascript"}; charset=utf-8`, plain, gzip };
}
