/**
 * Reads options from JSON: those of a configuration file, and within it those of a mount or a virtual host.
 *
 * @module
 */

import { nearest } from "../handlers/core/nearest.ts";
import type { JsonMember, JsonValue, Position } from "./json_text.ts";
import { headerRule, pathPattern } from "./header_rule.ts";
import { InvalidValue, type Option } from "./option.ts";
import { OPTION_ROWS, type OptionName, OPTIONS } from "./options.ts";

/** Whose options they are. */
export type Scope = "server" | "host" | "mount";

/** What the reader asks of its caller. */
export interface ReaderHooks {
  /** Reports what cannot be used. */
  fail(at: Position, reason: string): never;
  /** A text as on a command line: relative paths lead from the file. */
  located(name: OptionName, text: string): string;
  /** Refuses what must not be set here. */
  accept(name: OptionName, texts: readonly string[], at: Position): void;
}

/** An option that is set: its texts, as on a command line; none if it is switched off. */
export interface ReadOption {
  readonly texts: readonly string[];
  readonly at: Position;
}

/** Options that only make sense on a command line. */
const NOT_CONFIGURED: readonly OptionName[] = ["help", "version", "config"];

/** Whether an option can be set in a configuration file, for all or for one mount or host. */
export function isConfigurable(name: OptionName, scope: Scope = "server"): boolean {
  if (NOT_CONFIGURED.includes(name)) return false;
  const { within } = OPTIONS[name];
  return scope === "server" || within === scope || within === "mount";
}

/** Whose options the objects in the value of an option are. */
export function scopeOf(name: OptionName): Exclude<Scope, "server"> {
  return name === "hosts" ? "host" : "mount";
}

/** Reads the members of an object. */
export class OptionsReader {
  readonly #scope: Scope;
  readonly #hooks: ReaderHooks;

  /** Takes whose options they are. */
  constructor(scope: Scope, hooks: ReaderHooks) {
    this.#scope = scope;
    this.#hooks = hooks;
  }

  /** The options, in the order of the file. */
  read(members: readonly JsonMember[]): Map<OptionName, ReadOption> {
    const options = new Map<OptionName, ReadOption>();
    for (const { key, at, value } of members) {
      const name = this.#nameOf(key, at);
      if (options.has(name)) this.#hooks.fail(at, `"${name}" is set twice`);
      const texts = this.#textsOf(name, value);
      if (texts.length > 0) this.#hooks.accept(name, texts, at);
      if (this.#scope !== "server") this.#validate(name, texts, at);
      options.set(name, { texts, at });
    }
    this.#checkCombination(options);
    return options;
  }

  #nameOf(key: string, at: Position): OptionName {
    const known = OPTION_ROWS.map(([name]) => name);
    const names = known.filter((name) => isConfigurable(name, this.#scope));
    const name = names.find((each) => each === key);
    if (name !== undefined) return name;
    if (known.some((each) => each === key && isConfigurable(each))) {
      return this.#hooks.fail(at, `a ${NAMES[this.#scope]} has no "${key}" of its own: it is an option of ${OUTER}`);
    }
    const meant = nearest(key, names.filter((each) => !OPTIONS[each].writes));
    return this.#hooks.fail(at, `there is no option "${key}"${meant === null ? "" : `; did you mean "${meant}"?`}`);
  }

  #textsOf(name: OptionName, value: JsonValue): string[] {
    const { value: takesValue, bare, repeatable, json } = OPTIONS[name];
    if (value.kind === "true" || value.kind === "false") {
      if (takesValue !== undefined && bare === undefined) this.#hooks.fail(value.at, `"${name}" needs ${takesValue}`);
      return value.kind === "true" ? [bare ?? ""] : [];
    }
    if (takesValue === undefined) return this.#hooks.fail(value.at, `"${name}" must be true or false`);
    if (json === "members" && value.kind === "object") return this.#membersOf(name, value.members);
    if (value.kind !== "array") return [this.#textOf(name, value)];
    if (!repeatable) this.#hooks.fail(value.at, `"${name}" takes one value, not a list`);
    return value.items.map((item) => this.#textOf(name, item));
  }

  #textOf(name: OptionName, value: JsonValue): string {
    const { value: placeholder, json } = OPTIONS[name];
    if (json === "object" && value.kind === "object") return this.#ruleText(value);
    if (json !== "object" && (value.kind === "string" || value.kind === "number")) {
      if (json === "members") this.#refuseHiddenOptions(value.text.slice(value.text.indexOf("=") + 1), value.at);
      return this.#hooks.located(name, value.text);
    }
    const kind = json === "object" ? "as an object" : "as text or as a number";
    return this.#hooks.fail(value.at, `"${name}" needs ${placeholder} ${kind}`);
  }

  /** Headers for some paths, as JSON. */
  #ruleText(value: JsonValue): string {
    const text = JSON.stringify(this.#plain(value));
    try {
      headerRule(text);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      this.#hooks.fail(positionIn(value, error.path), error.message);
    }
    return text;
  }

  #plain(value: JsonValue): unknown {
    if (value.kind === "array") return value.items.map((item) => this.#plain(item));
    if (value.kind === "string") return value.text;
    if (value.kind !== "object") return JSON.parse(value.kind === "number" ? value.text : value.kind);
    const members = new Map<string, unknown>();
    for (const { key, at, value: member } of value.members) {
      if (members.has(key)) this.#hooks.fail(at, `"${key}" is given twice`);
      members.set(key, this.#plain(member));
    }
    return Object.fromEntries(members);
  }

  #membersOf(name: OptionName, members: readonly JsonMember[]): string[] {
    const known = new Set<string>();
    return members.map((member) => {
      const text = this.#memberOf(name, member);
      // `/docs/` is the same as `/docs`, and host names have no case.
      const [made] = OPTIONS[name].make([text]) as readonly [{ readonly prefix?: string; readonly name?: string }];
      const key = made.prefix ?? made.name ?? "";
      if (known.has(key)) this.#hooks.fail(member.at, `"${key}" is given twice`);
      known.add(key);
      return text;
    });
  }

  /** A mount or a virtual host: `KEY=PATH`, or `KEY={...}` with options of its own. */
  #memberOf(name: OptionName, { key, at, value }: JsonMember): string {
    if (key.includes("=")) this.#hooks.fail(at, `"${key}" cannot contain "="`);
    if (value.kind === "string") this.#refuseHiddenOptions(value.text, value.at);
    const text = value.kind === "object"
      ? `${key}=${this.#siteText(name, key, value)}`
      : value.kind === "string"
      ? this.#hooks.located(name, `${key}=${value.text}`)
      : this.#hooks.fail(value.at, `"${key}" needs a directory, or an object of options`);
    this.#validate(name, [text], at, key);
    return text;
  }

  /** On a command line, text may be JSON: here it would not be looked at. */
  #refuseHiddenOptions(text: string, at: Position): void {
    if (text.startsWith("{")) this.#hooks.fail(at, "write options as an object, without quotes around it");
  }

  #siteText(name: OptionName, key: string, { at, members }: JsonValue & { readonly kind: "object" }): string {
    const options = new OptionsReader(scopeOf(name), this.#hooks).read(members);
    if (!options.has("directory")) this.#hooks.fail(at, `"${key}" needs "directory"`);
    return JSON.stringify(Object.fromEntries([...options].map(([name, { texts }]) => [name, valueOf(name, texts)])));
  }

  #validate(name: OptionName, texts: readonly string[], at: Position, shown?: string): void {
    try {
      OPTIONS[name].make(texts);
      if (name === "spa-ignore") texts.forEach(pathPattern);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      const what = shown === undefined ? `"${name}" cannot be "${texts.join(", ")}"` : `"${shown}" cannot be used`;
      this.#hooks.fail(at, `${what}: ${error.message}`);
    }
  }

  /** What the command line and the environment cannot make right. */
  #checkCombination(options: ReadonlyMap<OptionName, ReadOption>): void {
    const isOn = (name: string) => (options.get(name as OptionName)?.texts.length ?? 0) > 0;
    for (const [name, { at }] of options) {
      if (!isOn(name)) continue;
      const { excludes = [], needs = [] } = OPTIONS[name];
      const other = excludes.find(isOn);
      if (other) this.#hooks.fail(at, `"${name}" and "${other}" cannot be combined`);
      const isHere = this.#scope !== "server" && needs.every((each) => OPTIONS[each as OptionName].isOwn);
      if (isHere && needs.length > 0 && !needs.some(isOn)) {
        this.#hooks.fail(at, `"${name}" needs ${needs.map((each) => `"${each}"`).join(" or ")}`);
      }
    }
  }
}

const NAMES = { server: "server", host: "virtual host", mount: "mount" } as const;
const OUTER = "the whole server";

/** The value of an option in JSON, from its texts. */
function valueOf(name: OptionName, texts: readonly string[]): unknown {
  const { value, bare, repeatable, json }: Option = OPTIONS[name];
  if (texts.length === 0) return false;
  if (value === undefined) return true;
  if (json === "object") return texts.map((text) => JSON.parse(text));
  if (json === "members") return Object.fromEntries(texts.map(memberIn));
  if (repeatable) return texts;
  return texts[0] === bare ? true : texts[0];
}

function memberIn(text: string): [key: string, value: unknown] {
  const at = text.indexOf("=");
  const value = text.slice(at + 1);
  return [text.slice(0, at), value.startsWith("{") ? JSON.parse(value) : value];
}

/** Where a part of a value is; of a member, its name. */
function positionIn(value: JsonValue, [step, ...rest]: readonly (string | number)[]): Position {
  if (value.kind === "array" && typeof step === "number") return positionIn(value.items[step]!, rest);
  const member = value.kind === "object" ? value.members.find(({ key }) => key === step) : undefined;
  if (member === undefined) return value.at;
  return rest.length === 0 ? member.at : positionIn(member.value, rest);
}
