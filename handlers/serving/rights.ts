/**
 * Applies the rights of a request to a site.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { internalsOf } from "../core/internals.ts";
import type { SitePath } from "../http/target.ts";
import { permitted } from "../sources/permitted.ts";
import { recordView } from "../sources/shown.ts";
import { eachSlice } from "../sources/slices.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import type { Context, Right } from "../core/types.ts";

/** The part of a source that the client may read: everything else is hidden, also from listings. */
export function readable(source: FileSource, context: Context): FileSource {
  if (context.view === "") return source;
  return permitted(source, (path) => context.may("read", path));
}

/**
 * The same, to be listed: without the dates of directories that only lead to what is shared, which tell when something else
 * in these was changed.
 */
export function listable(source: FileSource, context: Context): FileSource {
  const leads = internalsOf(context).visitor?.leads;
  return leads ? undated(readable(source, context), leads) : readable(source, context);
}

function undated(source: FileSource, isUndated: (path: SitePath) => boolean): FileSource {
  const withoutDate = <Stat extends FileStat | null>(path: SitePath, stat: Stat): Stat => {
    return stat !== null && isUndated(path) ? { ...stat, modified: null } : stat;
  };
  return recordView({
    ...source,
    list(path) {
      return then(
        source.list(path),
        (slices) =>
          slices &&
          eachSlice(slices, (slice) =>
            slice.map((entry) => ({ ...entry, stat: withoutDate(path.child(entry.name)!, entry.stat) }))),
      );
    },
  }, source);
}

/** Restricts a context by path, equally for all clients; therefore the view does not change. */
export function limit(context: Context, allows: (right: Right, path: SitePath) => boolean): Context {
  const may: Context["may"] = (right, path) => allows(right, path) && context.may(right, path);
  return Object.create(context, { may: { value: may } }) as Context;
}
