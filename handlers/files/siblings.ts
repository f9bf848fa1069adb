/**
 * Precompressed files: `NAME.br`, `NAME.zst` and `NAME.gz` in the directory of `NAME`.
 *
 * @module
 */

import { type CodingName, CODINGS } from "../http/coding.ts";
import type { ByteRange } from "../http/range.ts";
import type { ResolvedFile } from "../serving/resolve.ts";
import type { SitePath } from "../http/target.ts";
import { FileChanged, type FileSource, type FileStat, type FreshnessCheck, type OpenFile } from "../sources/types.ts";

/** The precompressed variants of a file, looked up for one request. */
export class Siblings {
  readonly #source: FileSource;
  /** The file itself. */
  readonly plain: ResolvedFile;
  /** Everything that the choice depends on: the variants that were looked up, present or not. */
  readonly #seen: { readonly path: SitePath; readonly stat: FileStat | null }[] = [];

  readonly #refused: Set<CodingName>;

  /**
   * Looks nothing up yet.
   *
   * @param refused The codings whose variant could not be opened by an earlier attempt at the same request.
   */
  constructor(source: FileSource, plain: ResolvedFile, refused: Set<CodingName>) {
    this.#source = source;
    this.plain = plain;
    this.#refused = refused;
  }

  /** The variant in a coding: a regular file no older than the original; null if there is none. */
  async find(coding: CodingName): Promise<ResolvedFile | null> {
    const { path, stat: { modified } } = this.plain;
    const beside = path.sibling(path.name + CODINGS[coding]);
    if (!beside || this.#refused.has(coding)) return null;
    const stat = await this.#source.stat(beside);
    this.#seen.push({ path: beside, stat });
    return stat?.kind === "file" && (stat.modified ?? 0) >= (modified ?? 0) ? { path: beside, stat } : null;
  }

  /**
   * Opens a variant that was found.
   *
   * @throws FileChanged Also if it cannot be opened for another reason, such as its permissions: the original can still
   * be sent, so the next attempt ignores the variant.
   */
  async open(coding: CodingName, { path, stat }: ResolvedFile, range?: ByteRange): Promise<OpenFile> {
    try {
      return await this.#source.open(path, stat, range);
    } catch (error) {
      if (error instanceof FileChanged) throw error;
      this.#refused.add(coding);
      throw new FileChanged();
    }
  }

  /** Whether the choice can be proven later: a variant that could not be opened may be readable the next time. */
  get areStable(): boolean {
    return this.plain.stat.stable && this.#refused.size === 0;
  }

  /**
   * A check that the file and all variants that were looked up are unchanged, and that nothing answers in its place; null if
   * that cannot be guaranteed.
   */
  freshness(): FreshnessCheck | null {
    const source = this.#source;
    const { unless = [] } = this.plain;
    if (unless === null) return null;
    const checks = [this.plain, ...this.#seen].map(({ path, stat }) => {
      return stat ? source.freshness?.(path, stat) : source.absence?.(path);
    });
    return allHold([...checks, ...unless.map((path) => source.absence?.(path))]);
  }
}

/** One check in place of several, each of which is made once; null if one of them cannot be made. */
export function allHold(checks: readonly (FreshnessCheck | null | undefined)[]): FreshnessCheck | null {
  const distinct = [...new Set(checks)];
  if (!distinct.every((check) => !!check)) return null;
  const [first, second, ...others] = distinct;
  if (second === undefined) return first!;
  if (others.length === 0) return () => first!() && second();
  return () => distinct.every((isFresh) => isFresh());
}
