/**
 * Options from environment variables: `PYSERVE_PORT=8080`, `PYSERVE_TLS_CERT=cert.pem`, `PYSERVE_QUIET=1`.
 *
 * @module
 */

import { OPTION_ROWS, type OptionName, OPTIONS } from "./options.ts";
import { STATE_VARIABLES } from "./state_directory.ts";
import { ACTIVATION_VARIABLES } from "./socket_activation.ts";
import { UsageError } from "./usage_error.ts";

const PREFIX = "PYSERVE_";

/** Options that only make sense for a single run. */
const NOT_INHERITED: readonly OptionName[] = ["help", "version"];

const [ON, OFF] = [["1", "true", "yes", "on"], ["", "0", "false", "no", "off"]];

/** The environment variable of an option; null if it has none. */
export function variableOf(name: OptionName): string | null {
  return NOT_INHERITED.includes(name) ? null : PREFIX + name.toUpperCase().replaceAll("-", "_");
}

/**
 * The option values in the environment. A switch accepts 1, true, yes or on, or the opposite; a repeatable option takes
 * one value per line; an empty variable counts as unset.
 *
 * @throws {UsageError} For a variable with the prefix `PYSERVE_` that names no option, or a switch with an invalid
 * value.
 */
export function readEnvironment(environment: Readonly<Record<string, string>>): Map<OptionName, string[]> {
  const names = new Map(OPTION_ROWS.map(([name]) => [variableOf(name), name]));
  const texts = new Map<OptionName, string[]>();
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX)) continue;
    const name = names.get(variable);
    if (name === undefined) throw new UsageError(`There is no option for the environment variable ${variable}`);
    const given = textsOf(name, value);
    if (given === null) throw new UsageError(`Cannot use ${variable} "${value}": it is neither ${ON[0]} nor ${OFF[1]}`);
    if (given.length > 0) texts.set(name, given);
  }
  return texts;
}

/** Null for a switch with an invalid value. */
function textsOf(name: OptionName, value: string): string[] | null {
  const { value: takesValue, repeatable, pair, bare } = OPTIONS[name];
  const word = value.trim().toLowerCase();
  if (takesValue === undefined) return OFF.includes(word) ? [] : ON.includes(word) ? [""] : null;
  if (value === "") return [];
  if (bare !== undefined && (ON.includes(word) || OFF.includes(word))) return ON.includes(word) ? [bare] : [];
  const lines = repeatable ? value.split("\n").filter((line) => line.trim() !== "") : [value];
  return pair ? lines.map((line) => line.includes(":") ? line : line.replace(/\s+/, ":")) : lines;
}

/** The process environment, as far as permitted; the permission is not requested. */
export function environmentOfProcess(): Readonly<Record<string, string>> {
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") return Deno.env.toObject();
  const options = OPTION_ROWS.map(([name]) => variableOf(name)).filter((variable) => variable !== null);
  const variables = [...options, ...ACTIVATION_VARIABLES, ...STATE_VARIABLES];
  const readable = variables.filter((variable) => {
    return Deno.permissions.querySync({ name: "env", variable }).state === "granted" && Deno.env.has(variable);
  });
  return Object.fromEntries(readable.map((variable) => [variable, Deno.env.get(variable)!]));
}
