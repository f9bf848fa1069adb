/** A source over HTTP, and the server it fetches from: what it costs shows in the requests that arrive there. */

import { chain, files, type FileSource, listing, type SitePath, toFetch } from "@x/pyserve";
import { openRanges } from "@x/pyserve/sources";
import { FileChanged, type FileStat } from "@x/pyserve/sources";

/** A server that notes each request as `GET /a.txt bytes=0-4`. */
export interface Origin extends AsyncDisposable {
  readonly url: string;
  /** The requests since the last call. */
  requests(): string[];
}

/** Serves the files of a source on loopback. */
export function originOf(source: FileSource): Origin {
  let requests: string[] = [];
  const answer = toFetch(chain(files(source, { index: [] }), listing(source)));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request, info) => {
    const { pathname } = new URL(request.url);
    requests.push([request.method, pathname, request.headers.get("range")].filter(Boolean).join(" "));
    return answer(request, info);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests() {
      const seen = requests;
      requests = [];
      return seen;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The files of a server with entity tags and ranges. */
export function remote(url: string): FileSource {
  return {
    stat: (path) => statOf(url, path),
    list: () => null,
    open: (path, { size, version }, range) =>
      openRanges(async ({ start, end }) => {
        const headers = { range: `bytes=${start}-${end - 1}`, "if-match": `"${version}"` };
        const response = await fetch(url + path.href, { headers });
        if (response.status === 206) return response.body!;
        await response.body?.cancel();
        throw response.status === 412 ? new FileChanged() : new Error(`The origin answered ${response.status}`);
      }, { size, range }),
  };
}

async function statOf(url: string, path: SitePath): Promise<FileStat | null> {
  const { status, headers } = await fetch(url + path.href, { method: "HEAD", redirect: "manual" });
  if (status === 404) return null;
  const modified = Date.parse(headers.get("last-modified") ?? "");
  return {
    kind: status === 200 && path.parent !== null ? "file" : "directory",
    size: Number(headers.get("content-length") ?? 0),
    modified: Number.isNaN(modified) ? null : modified,
    version: headers.get("etag")?.slice(1, -1) ?? "",
    stable: true,
  };
}
