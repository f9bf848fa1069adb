/**
 * Contexts with some fields replaced.
 *
 * @module
 */

import { internalsOf } from "./internals.ts";
import type { Context } from "./types.ts";

/**
 * A copy of a context with some fields replaced, for inner handlers.
 *
 * To change the rights (`may`), also give the name of the new set (`view`), which separates the cache entries; combine
 * both with those of the given context.
 *
 * A user (`user`) is also recorded for the access log, which is usually outside of the layer.
 *
 * @throws TypeError for `may` without a `view`, or with that of all rights (`""`): clients with different rights would
 * share cache entries.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { derive, type Layer } from "@x/pyserve";
 *
 * const asGuest: Layer = (next) => (request, context) => next(request, derive(context, { user: "guest" }));
 * assert(typeof asGuest === "function");
 * ```
 *
 * @category Composition
 */
export function derive(context: Context, changes: Partial<Context>): Context {
  if (changes.may && !changes.view) {
    throw new TypeError(
      "derive() with may also needs view: a non-empty name for the set of rights",
    );
  }
  const internals = internalsOf(context);
  if (changes.user !== undefined) internals.notes.user = changes.user;
  return internals.derived(changes) ?? withOwn(context, changes);
}

function withOwn(context: Context, changes: Partial<Context>): Context {
  const retargeted = "target" in changes ? { retargeted: true } : {};
  return Object.create(context, Object.getOwnPropertyDescriptors({ ...changes, ...retargeted })) as Context;
}
