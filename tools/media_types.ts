/**
 * Generates `handlers/http/media_types.ts` from the well-maintained npm package `mime`.
 *
 * The table is generated rather than imported, because the published command could not resolve an npm package inside a
 * Node project, and because it is needed at every start. A test compares the two.
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
 * Apache and nginx. Written by \`deno task media-types\`; media_type.ts corrects it for a file server.
 *
 * @module
 */

/** Extensions, separated by spaces, by media type. */
export const EXTENSIONS_OF: Readonly<Record<string, string>> = {
${lines.join("")}};
`,
);
await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", FILE] }).output();
