/** The table of the npm package `mime`, inverted. */

import other from "npm:mime@4.1.2/types/other.js";
import standard from "npm:mime@4.1.2/types/standard.js";
import mime from "npm:mime@4.1.2";

/** Extensions by type, sorted, limited to those that `mime` itself maps back to the type. */
export function knownTypes(): Map<string, string> {
  const types = new Map<string, string[]>();
  const extensions = new Set(Object.values({ ...standard, ...other }).flat().map((name) => name.replace(/^\*/, "")));
  for (const extension of [...extensions].sort()) {
    const type = mime.getType(extension)!;
    types.set(type, [...types.get(type) ?? [], extension]);
  }
  return new Map([...types].sort(([a], [b]) => a < b ? -1 : 1).map(([type, names]) => [type, names.join(" ")]));
}
