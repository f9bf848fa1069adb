/**
 * The list of shares that were made, so that they can be shown and revoked. A share is valid without it.
 *
 * @module
 */

/** A share as recorded. */
export interface ShareRecord {
  /** The id of the share. */
  readonly id: string;
  /** The user who made it; null for the operator. */
  readonly by: string | null;
  /** The shared paths, as URL paths. */
  readonly paths: readonly string[];
  /** The rights. */
  readonly rights: readonly string[];
  /** When it was made and when it expires, in milliseconds since 1970; null for never. */
  readonly made: number;
  readonly expires: number | null;
}

/** Records of shares. */
export interface ShareRecords {
  /** Adds a record. */
  add(record: ShareRecord): void;
  /** All records of shares that have not expired. */
  all(): readonly ShareRecord[];
}

/** Records in memory. */
export function volatileRecords(): ShareRecords {
  const records: ShareRecord[] = [];
  return { add: (record) => void records.push(record), all: () => records.filter(isCurrent) };
}

/** Records in a file, one JSON document per line, to which all processes append. */
export function recordsIn(path: string): ShareRecords {
  return {
    add(record) {
      Deno.writeTextFileSync(path, JSON.stringify(record) + "\n", { append: true, mode: 0o600 });
    },
    all() {
      return readIfPresent(path).split("\n").flatMap(parse).filter(isCurrent);
    },
  };
}

function readIfPresent(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The record of a line; a line cut off by a full disk is skipped. */
function parse(line: string): ShareRecord[] {
  try {
    return line === "" ? [] : [JSON.parse(line)];
  } catch {
    return [];
  }
}

function isCurrent({ expires }: ShareRecord): boolean {
  return expires === null || expires > Date.now();
}
