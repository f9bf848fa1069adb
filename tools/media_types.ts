/**
 * Generates `handlers/http/media_types.ts` from the well-maintained npm package `mime`.
 *
 * The table is generated rather than imported, because the published command could not resolve an npm package inside a
 * Node project, and because it is needed at every start. A test compares the two.
 */

import { fileURLToPath } from "node:url";
import { knownTypes } from "./mime.ts";

const FILE = fileURLToPath(new URL("../handlers/http/media_types.ts", import.meta.url));

const lines = [...knownTypes()].map(([type, extensions]) => `${type} ${extensions}\n`);

await Deno.writeTextFile(
  FILE,
  `/**
 * Media types and the extensions of their files, from the npm package \`mime\` (MIT license), which takes them from IANA,
 * Apache and nginx. Written by \`deno task media-types\`; media_type.ts corrects it for a file server.
 *
 * @module
 */

/**
 * A media type and the extensions of its files per line. A text, because a server rarely needs more than ten of them: an
 * object or a map of all takes 2 ms to create.
 */
export const MEDIA_TYPES = \`
${lines.join("")}\`;
`,
);
