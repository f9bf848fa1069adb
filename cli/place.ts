/**
 * What to serve and where: a directory, an address and a port, as options or as arguments in any order.
 *
 * @module
 */

import { type AddressAndPort, socketOf, splitAddress } from "./address.ts";
import type { OptionName } from "./options.ts";
import { UsageError } from "./usage_error.ts";
import { isNumber } from "./values.ts";

/** The texts of each option. */
export type Texts = Map<OptionName, string[]>;

/**
 * Converts the arguments to options: a number is the port, as in Python, `ADDRESS:PORT` both, `/PREFIX=PATH` a mount, and
 * anything else the directory. Also splits `--bind ADDRESS:PORT`. Throws {@linkcode UsageError} if two contradict each other.
 */
export function withPlace(texts: Texts, words: readonly string[]): Texts {
  const mounts = [...texts.get("mount") ?? [], ...words.filter(isMount)];
  return withRoot(
    new Map([...texts, ...(mounts.length > 0 ? [["mount", mounts] as const] : [])]),
    words.filter(isNoMount),
  );
}

/** Whether a word is `/PREFIX=PATH`. A directory with such a name needs `--directory`. */
function isMount(word: string): boolean {
  return /^\/[^=]*=/.test(word);
}

function isNoMount(word: string): boolean {
  return !isMount(word);
}

function withRoot(texts: Texts, words: readonly string[]): Texts {
  const isRoot = (word: string) => !isNumber(word) && placeOf(word) === null;
  const addresses = [...(texts.get("bind") ?? []).map(boundTo), ...words.flatMap((word) => placeOf(word) ?? [])];
  const ports = [...texts.get("port") ?? [], ...addresses.flatMap(({ port }) => port ?? []), ...words.filter(isNumber)];
  const hostnames = addresses.flatMap(({ hostname }) => hostname ?? []);
  const roots = [...texts.get("directory") ?? [], ...words.filter(isRoot)];
  const socket = hostnames.find((name) => socketOf(name) !== null);
  if (socket !== undefined && ports.length > 0) throw new UsageError(`Cannot use a port with --bind "${socket}"`);
  if (ports.length > 1) throw new UsageError(`Cannot listen on several ports: ${ports.join(", ")}`);
  if (hostnames.length > 1) throw new UsageError(`Cannot listen on several addresses: ${hostnames.join(", ")}`);
  if (roots.length > 1) throw new UsageError(`Cannot serve several directories: "${roots.join('", "')}"`);
  const places = new Map<OptionName, string[]>([["bind", hostnames], ["port", ports], ["directory", roots]]);
  const others = [...texts].filter(([name]) => !places.has(name));
  return new Map([...others, ...[...places].filter(([, given]) => given.length > 0)]);
}

/** A socket, or an address with a port; null for anything else. */
function placeOf(word: string): AddressAndPort | null {
  return socketOf(word) ? { hostname: word, port: null } : splitAddress(word);
}

/** Parses `--bind`: as an argument, or an address without a port, perhaps in brackets. */
function boundTo(text: string): AddressAndPort {
  return placeOf(text) ?? { hostname: text.replace(/^\[(.*)\]$/, "$1"), port: null };
}
