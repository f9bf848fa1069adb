/**
 * What the rights of a request leave of a site.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { filtered } from "../sources/filtered.ts";
import type { FileSource } from "../sources/types.ts";
import type { Context, Right } from "../core/types.ts";

/** A source as the client of a request may read it: the rest is not there, not even in listings. */
export function readable(source: FileSource, context: Context): FileSource {
  if (context.view === "") return source;
  return filtered(source, (path) => context.may("read", path));
}

/** A context with what a site allows to all clients alike, by path; so these rights need no view of their own. */
export function limit(context: Context, allows: (right: Right, path: SitePath) => boolean): Context {
  const may: Context["may"] = (right, path) => allows(right, path) && context.may(right, path);
  return Object.create(context, { may: { value: may } }) as Context;
}
