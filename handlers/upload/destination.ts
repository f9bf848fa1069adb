/**
 * The destination of a copy or move (RFC 4918 section 10.3).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { isOwnUrl } from "../core/cross_site.ts";
import type { Context } from "../core/types.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, rawTarget, type SitePath } from "../http/target.ts";

/** The path in a Destination header: on this server, and below the same mount. */
export function destinationOf(request: Request, { base, hosts }: Context): SitePath {
  const header = request.headers.get("destination");
  if (header === null) throw new HttpError(400, "Destination is missing");
  const destination = encoded(header);
  const isPath = /^\/(?!\/)/.test(destination);
  const url = isPath ? null : URL.parse(destination);
  if (!isPath && (!url || !/^https?:$/.test(url.protocol))) throw new HttpError(400, "Destination is not a URL");
  if (url && !isOwnUrl(destination, request.url, hosts)) throw new HttpError(502, "Destination is on another server");
  const target = parseTarget(isPath ? destination : rawTarget(destination));
  if (target instanceof Refusal) throw HttpError.from(target);
  const path = target.path.below(base);
  if (path === null || path.parent === null) throw new HttpError(403, "The destination cannot be written");
  return path;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Percent-encodes what is not ASCII, which some clients send as it is; header values have one character per byte. */
function encoded(header: string): string {
  return header.replace(/[\x80-\xff]+/g, (bytes) => {
    try {
      return encodeURIComponent(UTF8.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))));
    } catch {
      throw new HttpError(400, "Destination is neither ASCII nor UTF-8");
    }
  });
}
