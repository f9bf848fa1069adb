/**
 * The JSON schema of the configuration file, generated from the table of options.
 *
 * @module
 */

import { sentence } from "./help.ts";
import type { Option } from "./option.ts";
import { OPTION_ROWS, type OptionName } from "./options.ts";
import { isConfigurable, type Scope, scopeOf } from "./options_reader.ts";

/** A schema (JSON Schema 2020-12). */
export type Schema = Readonly<Record<string, unknown>>;

/** The schema of `pyserve.json`. */
export function schema(): Schema {
  return {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of pyserve",
    ...optionsOf("server"),
    "$defs": {
      host: { ...optionsOf("host"), required: ["directory"] },
      mount: { ...optionsOf("mount"), required: ["directory"] },
    },
  };
}

function optionsOf(scope: Scope): Schema {
  const rows = OPTION_ROWS.filter(([name]) => isConfigurable(name, scope));
  return {
    type: "object",
    properties: {
      ...(scope === "server" && { "$schema": { type: "string" } }),
      ...Object.fromEntries(rows.map(([name, option]) => [name, propertyOf(name, option, scope)])),
    },
    additionalProperties: false,
  };
}

/** An option; where it is not one of the whole server, what it does is said there. */
function propertyOf(name: OptionName, option: Option, scope: Scope): Schema {
  if (scope !== "server") return { "$ref": `#/properties/${name}` };
  return { description: sentence(option), ...typeOf(name, option) };
}

function typeOf(name: OptionName, { value, bare, repeatable, json }: Option): Schema {
  if (value === undefined) return { type: "boolean" };
  if (bare !== undefined) return { type: ["boolean", "string", "number"] };
  if (json === "object") return listOf(RULE);
  if (!repeatable) return TEXT;
  if (json !== "members") return listOf(TEXT);
  const site = { anyOf: [{ type: "string" }, { "$ref": `#/$defs/${scopeOf(name)}` }] };
  return { anyOf: [{ type: "object", additionalProperties: site }, ...listOf({ type: "string" }).anyOf] };
}

const TEXT: Schema = { type: ["string", "number"] };

function listOf(item: Schema): { readonly anyOf: readonly Schema[] } {
  return { anyOf: [item, { type: "array", items: item }] };
}

/** What `headers` consists of. */
const RULE: Schema = {
  type: "object",
  properties: {
    for: listOf({ type: "string" }),
    set: { type: "object", additionalProperties: listOf(TEXT) },
    remove: listOf({ type: "string" }),
  },
  required: ["for"],
  additionalProperties: false,
};
