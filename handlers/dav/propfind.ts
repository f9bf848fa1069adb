/**
 * PROPFIND: the properties of a file or directory, and of the entries of a directory (RFC 4918 section 9.1).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { Turns } from "../core/turns.ts";
import type { Context } from "../core/types.ts";
import { listable } from "../serving/rights.ts";
import { FileChanged, type FileSource } from "../sources/types.ts";
import type { DavSite } from "./dav_site.ts";
import { lockProperties } from "./lock_answers.ts";
import { errorDocument, streamedMultistatus } from "./multistatus.ts";
import { PropertyReport, requestedProperties } from "./property_report.ts";
import type { Resource } from "./properties.ts";
import { readXml } from "./xml.ts";

/** Responds with properties. `Depth: infinity` is refused: its response could be of any size. */
export async function propfind(site: DavSite, request: Request, context: Context): Promise<Response> {
  const { path, slash } = context.target;
  const source = listable(site.source, context);
  const depth = depthOf(request.headers);
  const asked = requestedProperties(await readXml(request.body));
  const stat = await source.stat(path);
  if (stat === null || stat.kind === "other" || (slash && stat.kind !== "directory")) throw new HttpError(404);
  const isDirectory = stat.kind === "directory";
  if (isDirectory && depth === "infinity") return errorDocument(403, "propfind-finite-depth");
  const locks = site.locks ? lockProperties(site.locks.current(), context) : null;
  const isMinimal = /(?:^|[,;\s])return\s*=\s*"?minimal\b/i.test(request.headers.get("prefer") ?? "");
  const report = new PropertyReport(site, asked, {
    base: context.base,
    isMinimal,
    locks,
    dead: site.properties?.current() ?? null,
  });
  const entries = isDirectory && depth === "1" ? () => entriesOf(source, { path, stat }, request) : none;
  const responses = async function* () {
    yield report.of({ path, stat });
    for await (const entry of entries()) yield report.of(entry);
  };
  const headers: Record<string, string> = isMinimal ? { "preference-applied": "return=minimal" } : {};
  return await streamedMultistatus(request, context, responses, { places: site.places, headers });
}

/** Without Depth, infinity is meant. */
function depthOf(headers: Headers): "0" | "1" | "infinity" {
  const depth = headers.get("depth")?.trim().toLowerCase() ?? "infinity";
  if (depth === "0" || depth === "1" || depth === "infinity") return depth;
  throw new HttpError(400, "Depth is not 0, 1 or infinity");
}

async function* none(): AsyncGenerator<Resource> {}

/** Names that Windows does not allow: one of them would hide the whole directory from its client. */
// deno-lint-ignore no-control-regex
const NOT_FOR_WINDOWS = /[<>:"\\|?*\x00-\x1f]|[. ]$/;

/** The entries that can be served. */
async function* entriesOf(
  source: FileSource,
  { path }: Resource,
  { headers }: Request,
): AsyncGenerator<Resource> {
  const isWindows = headers.get("user-agent")?.startsWith("Microsoft-WebDAV-MiniRedir/") ?? false;
  const turns = new Turns();
  const slices = await source.list(path);
  if (slices === null) throw new FileChanged();
  for await (const slice of slices) {
    for (const { name, stat, problem } of slice) {
      const at = path.child(name);
      if (at === null || stat === null || problem !== null || stat.kind === "other") continue;
      if (!isWindows || !NOT_FOR_WINDOWS.test(name)) yield { path: at, stat };
      if (turns.due) await turns.next();
    }
  }
}
