/**
 * Vary (RFC 9110 section 12.5.5).
 *
 * @module
 */

/**
 * Adds request fields that a response depends on, in one line: not all caches combine several. `*` says that it may
 * depend on anything, and stands alone.
 */
export function varyBy(headers: Headers, fields: string): void {
  const given = headers.get("vary");
  if (hasMember(given ?? "", "*")) return;
  if (hasMember(fields, "*")) return headers.set("vary", "*");
  const added = fields.split(/, */).filter((field) => !hasMember(given ?? "", field));
  if (added.length > 0) headers.set("vary", [...given === null ? [] : [given], ...added].join(", "));
}

function hasMember(list: string, field: string): boolean {
  return list.toLowerCase().split(",").some((member) => member.trim() === field.toLowerCase());
}
