/**
 * Options from a configuration file: `pyserve.json` in the current directory, or the one named by `--config`.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { resolve } from "@std/path/resolve";
import { socketOf } from "./address.ts";
import { CONFIG_NAME } from "./config_reader.ts";
import { JsonSyntaxError, type JsonValue, parseJsonText, type Position } from "./json_text.ts";
import { AUTHENTICATING, type OptionName, OPTIONS } from "./options.ts";
import { OptionsReader } from "./options_reader.ts";
import type { Texts } from "./place.ts";
import { StartError } from "./start_error.ts";
import { UsageError } from "./usage_error.ts";
import { isStoreUrl } from "./values.ts";

/** A configuration has a few lines. */
const MAX_BYTES = 1024 * 1024;

/** What a configuration file sets. */
export interface ConfigFile {
  /** The texts of its options, as on a command line; relative paths lead from the file. */
  readonly texts: Texts;
  /** Where each option is set: `pyserve.json:3:5`. */
  readonly places: ReadonlyMap<OptionName, string>;
}

/**
 * Reads a configuration file.
 *
 * @param named The path given by `--config`; null for {@linkcode CONFIG_NAME} in the current directory, which may have
 * come with files of somebody else: then the options that let clients do more than read what is in this directory are
 * refused.
 * @param given The options that the operator has given: with some of them, others are refused as well.
 * @throws {UsageError} For invalid content. {@linkcode StartError} If it cannot be read.
 */
export function readConfig(named: string | null, given: ReadonlySet<OptionName> = new Set()): ConfigFile {
  const path = named ?? CONFIG_NAME;
  const reader = new Reader(path, named === null, isGuarded(given));
  return reader.read(textOf(path));
}

/** Whether clients can do more than read, or not all of them can: nobody else may decide who and from where. */
function isGuarded(given: ReadonlySet<OptionName>): boolean {
  return [...given].some((name) => OPTIONS[name].isRisky === true) || AUTHENTICATING.some((name) => given.has(name));
}

function textOf(path: string): string {
  try {
    if (Deno.statSync(path).size > MAX_BYTES) throw new Error("it is too large for a configuration");
    return new TextDecoder("utf-8", { fatal: true }).decode(Deno.readFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const reason = error instanceof TypeError ? "it is not UTF-8 text" : StartError.reason(error);
    throw new StartError(`Cannot read the configuration "${path}": ${reason}`);
  }
}

class Reader {
  readonly #path: string;
  /** Whether somebody else may have written it. */
  readonly #isFound: boolean;
  readonly #isGuarded: boolean;

  constructor(path: string, isFound: boolean, isGuarded: boolean) {
    this.#path = path;
    this.#isFound = isFound;
    this.#isGuarded = isGuarded;
  }

  read(text: string): ConfigFile {
    const root = this.#parsed(text);
    if (root.kind !== "object") throw this.#error(root.at, "it must be an object of options: { ... }");
    const options = new OptionsReader("server", {
      fail: (at, reason) => {
        throw this.#error(at, reason);
      },
      located: (name, text) => this.#located(name, text),
      accept: (name, texts, at) => this.#isFound && this.#refuseUntrusted(name, texts, at),
    }).read(root.members.filter(({ key }) => key !== "$schema"));
    const set = [...options].filter(([, { texts }]) => texts.length > 0);
    return {
      texts: new Map(set.map(([name, { texts }]) => [name, [...texts]])),
      places: new Map(set.map(([name, { at }]) => [name, this.#placeOf(at)])),
    };
  }

  #parsed(text: string): JsonValue {
    try {
      return parseJsonText(text);
    } catch (error) {
      if (error instanceof JsonSyntaxError) throw this.#error(error.at, error.message);
      throw error;
    }
  }

  #refuseUntrusted(name: OptionName, texts: readonly string[], at: Position): void {
    const { isRisky } = OPTIONS[name];
    const isRefused = isRisky === true || isRisky === "beside" && this.#isGuarded;
    if (!isRefused && !texts.some((text) => leadsAway(name, text))) return;
    throw this.#error(
      at,
      `"${name}" is only accepted from a file that is named, since this one may be somebody else's; if it is yours, ` +
        `add --config ${CONFIG_NAME}`,
    );
  }

  #located(name: OptionName, text: string): string {
    const { isPath } = OPTIONS[name];
    if (isPath !== "after =") return isPath ? this.#fromHere(text) : text;
    const start = text.indexOf("=") + 1;
    return text.slice(0, start) + this.#fromHere(text.slice(start));
  }

  /** A trailing slash is kept: it means that an archive is served as a directory. */
  #fromHere(path: string): string {
    if (this.#isFound || path === "" || isStoreUrl(path) || path === "~" || path.startsWith("~/")) return path;
    return resolve(dirname(this.#path), path) + (/[^/]\/$/.test(path) ? "/" : "");
  }

  #placeOf({ line, column }: Position): string {
    return `${this.#path}:${line}:${column}`;
  }

  #error(at: Position, reason: string): UsageError {
    return new UsageError(`Cannot use ${this.#placeOf(at)}: ${reason}`, "config");
  }
}

/** Whether a value leads out of what would be served here without it. */
function leadsAway(name: OptionName, text: string): boolean {
  if (name === "directory") return !isShownInside(text);
  if (name === "mount") {
    const path = text.slice(text.indexOf("=") + 1);
    return !path.startsWith("{") && !isShownInside(path); // a directory among options of its own is checked there
  }
  return name === "bind" && socketOf(text) !== null;
}

/** Whether a path leads to this directory or one below it. */
function isInside(path: string): boolean {
  const here = real(".");
  const there = real(path);
  return there === here || there.startsWith(here.endsWith("/") ? here : `${here}/`);
}

/** Whether it does, and not into a dotfile, which a mount or another root would show under another name. */
function isShownInside(path: string): boolean {
  if (path.startsWith("~") || isStoreUrl(path) || !isInside(path)) return false;
  return !real(path).slice(real(".").length).split("/").some((name) => name.startsWith("."));
}

function real(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return resolve(path); // it cannot be served either
  }
}
