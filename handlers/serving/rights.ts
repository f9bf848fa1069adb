/**
 * Applies the rights of a request to a site.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { filtered } from "../sources/filtered.ts";
import type { FileSource } from "../sources/types.ts";
import type { Context, Right } from "../core/types.ts";

/** The part of a source that the client may read: everything else is hidden, also from listings. */
export function readable(source: FileSource, context: Context): FileSource {
  if (context.view === "") return source;
  return filtered(source, (path) => context.may("read", path));
}

/** Restricts a context by path, equally for all clients; therefore the view does not change. */
export function limit(context: Context, allows: (right: Right, path: SitePath) => boolean): Context {
  const may: Context["may"] = (right, path) => allows(right, path) && context.may(right, path);
  return Object.create(context, { may: { value: may } }) as Context;
}
