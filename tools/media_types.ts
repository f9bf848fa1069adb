/**
 * Writes `handlers/http/media_types.ts` from the table of the npm package `mime`, which is well kept.
 *
 * The table is written down instead of imported, because a run of the published command inside a Node project could not
 * resolve an npm package, and because it is read at every start. A test says when the two are no longer the same.
 */

import { fileURLToPath } from "node:url";
import { knownTypes } from "./mime.ts";

const FILE = fileURLToPath(new URL("../handlers/http/media_types.ts", import.meta.url));

const lines = [...knownTypes()].map(([type, extensions]) =>
  `  ${JSON.stringify(type)}: ${JSON.stringify(extensions)},\n`
);

await Deno.writeTextFile(
  FILE,
  `/**
 * Media types and the extensions of their files, from the npm package \`mime\` (MIT license), which takes them from IANA,
 * Apache and nginx. Written by \`deno task media-types\`; what is wrong in it for a file server is mended in media_type.ts.
 *
 * @module
 */

/** Extensions, separated by spaces, by media type. */
export const EXTENSIONS_OF: Readonly<Record<string, string>> = {
${lines.join("")}};
`,
);
await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", FILE] }).output();
