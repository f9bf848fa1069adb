/**
 * The JSON schema of the configuration file, generated from the table of options.
 *
 * @module
 */

import { isConfigurable } from "./config_file.ts";
import { sentence } from "./help.ts";
import type { Option } from "./option.ts";
import { OPTION_ROWS } from "./options.ts";

/** A schema (JSON Schema 2020-12). */
export type Schema = Readonly<Record<string, unknown>>;

/** The schema of `pyserve.json`. */
export function schema(): Schema {
  const rows = OPTION_ROWS.filter(([name]) => isConfigurable(name));
  return {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of pyserve",
    type: "object",
    properties: {
      "$schema": { type: "string" },
      ...Object.fromEntries(rows.map(([name, option]) => [name, { description: sentence(option), ...typeOf(option) }])),
    },
    additionalProperties: false,
  };
}

function typeOf({ value, bare, repeatable }: Option): Schema {
  if (value === undefined) return { type: "boolean" };
  if (bare !== undefined) return { type: ["boolean", "string", "number"] };
  if (!repeatable) return { type: ["string", "number"] };
  return { anyOf: [{ type: ["string", "number"] }, { type: "array", items: { type: ["string", "number"] } }] };
}
