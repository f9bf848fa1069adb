/**
 * What tells servers with the same state directory apart.
 *
 * @module
 */

import { isStoreUrl } from "./values.ts";

/** The real path of what is served; the path as given if there is nothing, and the URL of an object store. */
export function realRoot(root: string): string {
  if (isStoreUrl(root)) return root;
  try {
    return Deno.realPathSync(root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return root; // the server reports it
    throw error;
  }
}
