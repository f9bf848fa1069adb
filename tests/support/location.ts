/** Locations of responses, resolved. */

import { assert, assertEquals } from "@std/assert";

/** The prefix that a proxy strips. */
const PREFIX = "http://proxy.example/a/prefix";

/**
 * The path that a response to a target sends its client on to, or null. Its Location must be relative, and stay below the
 * prefix of a proxy, as a browser resolves it.
 */
export function leadsTo(target: string, { headers }: { readonly headers: Headers }): string | null {
  const location = headers.get("location");
  if (location === null) return null;
  if (/%2e/i.test(target) && location.startsWith("/")) return location; // clients resolve `..` differently
  assert(/^(?![a-z][a-z\d+.-]*:)[^/\\]/i.test(location), `The Location ${location} is not relative`);
  const path = target.replace(/^https?:\/\/[^/]*/, "").replaceAll("\\", "%5C"); // which a browser would take for a slash
  const { href } = new URL(location, PREFIX + path);
  assertEquals(href.slice(0, PREFIX.length + 1), `${PREFIX}/`);
  return href.slice(PREFIX.length);
}
