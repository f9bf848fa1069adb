/**
 * The options of mounts and virtual hosts: their own, on top of those of the server. Loaded if there are any.
 *
 * @module
 */

import { JsonSyntaxError, parseJsonText, type Position } from "./json_text.ts";
import { OPTION_ROWS, type OptionName, OPTIONS } from "./options.ts";
import { OptionsReader, type Scope } from "./options_reader.ts";
import { checked, typed } from "./parse.ts";
import type { SiteOptions } from "./settings.ts";
import { UsageError } from "./usage_error.ts";

type Texts = ReadonlyMap<OptionName, readonly string[]>;

/**
 * The options of a mount or a virtual host. Throws {@linkcode UsageError}.
 *
 * @param own Its own options, as JSON.
 * @param outer Those of the server.
 */
export function siteOptions(own: string, outer: Texts, scope: Exclude<Scope, "server">): SiteOptions {
  const given = ownTexts(own, scope);
  if (!given.has("directory")) throw new UsageError('it needs "directory"');
  const texts = new Map([...inherited(outer, given), ...[...given].filter(([, texts]) => texts.length > 0)]);
  return { options: typed(checked(texts)), names: new Set(texts.keys()), texts };
}

/** The options in the text; those of a configuration file have been read before, with their places there. */
function ownTexts(own: string, scope: Scope): Texts {
  const fail = ({ line, column }: Position, reason: string): never => {
    throw new UsageError(`line ${line}, column ${column}: ${reason}`);
  };
  const hooks = { fail, located: (_name: OptionName, text: string) => text, accept: () => {} };
  try {
    const value = parseJsonText(own);
    if (value.kind !== "object") return fail(value.at, "it must be an object of options");
    return new Map([...new OptionsReader(scope, hooks).read(value.members)].map(([name, { texts }]) => [name, texts]));
  } catch (error) {
    if (error instanceof JsonSyntaxError) return fail(error.at, error.message);
    throw error;
  }
}

/** What is passed on of the server's options, unless it would contradict or is only meant for what is not passed on. */
function inherited(outer: Texts, own: Texts): Texts {
  const passed = [...outer].filter(([name]) => !OPTIONS[name].isOwn && !own.has(name) && !isExcluded(name, own));
  const names = new Set<string>([...passed.map(([name]) => name), ...own.keys()]);
  return new Map(passed.filter(([name]) => OPTIONS[name].needs?.some((each) => names.has(each)) ?? true));
}

function isExcluded(name: OptionName, own: Texts): boolean {
  return OPTION_ROWS.some(([other, { excludes = [] }]) => {
    if ((own.get(other)?.length ?? 0) === 0) return false;
    return excludes.includes(name) || OPTIONS[name].excludes?.includes(other);
  });
}
