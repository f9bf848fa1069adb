/**
 * The list of shares that were made, so that they can be shown and revoked. A share is valid without it.
 *
 * It holds no secret: the link of a share cannot be computed from its record without the key.
 *
 * @module
 */

import { appendTo, lockedFile, readIfPresent, replaceFile } from "./locked_file.ts";

/** A share as recorded. */
export interface ShareRecord {
  /** The id of the share. */
  readonly id: string;
  /** The user who made it; null for the operator. */
  readonly by: string | null;
  /** The id of the token with which the user made it; absent for none. */
  readonly token?: string;
  /** The site it belongs to, where several share the records; the command uses the real path of its root. */
  readonly site?: string;
  /** The shared paths, as URL paths; those of directories end in a slash. */
  readonly paths: readonly string[];
  /** The rights, by the names used in rules: `read`, `upload`. */
  readonly rights: readonly string[];
  /** When it was made, in milliseconds since 1970. */
  readonly made: number;
  /** When it expires, in milliseconds since 1970; null for never. */
  readonly expires: number | null;
}

/** Records of shares. */
export interface ShareRecords {
  /**
   * Adds a record.
   *
   * @throws {TooManyShares} If the user, or the server, has too many.
   */
  add(record: ShareRecord): void;
  /** All records of shares that have not expired, in the order in which they were made; some may have been revoked. */
  all(): readonly ShareRecord[];
}

/** There are too many shares; the message is a sentence. */
export class TooManyShares extends Error {
  /** Always `"TooManyShares"`. */
  override readonly name: string = "TooManyShares";
}

/** Bounds of what users can make the server store: of shares that have not ended, and of those revoked before their expiry. */
const MAX_OF_USER = 500;
const MAX_REVOKED = 1_000;
const MAX_RECORDS = 5_000;

/** Records in memory. */
export function volatileRecords(isRevoked: (id: string) => boolean): ShareRecords {
  let records: readonly ShareRecord[] = [];
  const current = () => records = records.filter(isCurrent);
  return {
    add(record) {
      requireRoom(current(), record, isRevoked);
      records = [...records, record];
    },
    all: current,
  };
}

/** Records in a file, one JSON document per line, to which all processes append. */
export function recordsIn(path: string, isRevoked: (id: string) => boolean): ShareRecords {
  const read = () => new TextDecoder().decode(readIfPresent(path) ?? new Uint8Array()).split("\n");
  return {
    add(record) {
      using file = lockedFile(path);
      const lines = read();
      const kept = lines.flatMap(parse).filter(isCurrent);
      requireRoom(kept, record, isRevoked);
      // A line that a full disk has cut off has no end.
      const line = `${lines.at(-1) === "" ? "" : "\n"}${JSON.stringify(record)}\n`;
      if (lines.length > 2 * kept.length + 100) {
        replaceFile(
          path,
          kept.map((each) => `${JSON.stringify(each)}\n`).join("") + line,
        );
      } else appendTo(file, line);
    },
    all: () => read().flatMap(parse).filter(isCurrent),
  };
}

/** The records of revoked shares are kept until these would expire: as long, the server has to remember the revocation. */
function requireRoom(
  records: readonly ShareRecord[],
  { by, site }: ShareRecord,
  isRevoked: (id: string) => boolean,
): void {
  const live = records.filter(({ id }) => !isRevoked(id));
  if (live.length >= MAX_RECORDS) throw new TooManyShares("There are too many share links; revoke some first");
  const own = (all: readonly ShareRecord[]) => all.filter((each) => each.by === by && each.site === site).length;
  if (own(live) >= MAX_OF_USER) {
    throw new TooManyShares(`There are ${MAX_OF_USER} share links already; revoke some first`);
  }
  if (own(records) - own(live) < MAX_REVOKED) return;
  throw new TooManyShares(
    `${MAX_REVOKED} share links were revoked before their expiry, and must be remembered until then; the operator can ` +
      'end all links with "pyserve share --revoke-all"',
  );
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
