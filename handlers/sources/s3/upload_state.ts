/**
 * What is stored of an upload that is unfinished: its parts, its notes, and who is writing to it.
 *
 * Everything is in the store, so that any process can continue the upload. The latest that opens it owns it: its parts have
 * a higher epoch in their names, and take the place of those that an earlier owner may still be storing.
 *
 * @module
 */

import type { StoreClient } from "./client.ts";
import { readRange } from "./content.ts";
import { pagesOf } from "./pages.ts";
import { sha256 } from "./sign.ts";
import { eachOf, type Writes } from "./writes.ts";

/** The smallest size of a part that stores accept, except for the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024;

/** After so many parts, they are twice as large: a store takes at most 10,000, which are 300 GiB then. */
const SAME_SIZE = 2_000;

/** The size of a part, counted from 1, unless it is the last. */
export function partBytes(number: number): number {
  return MIN_PART_BYTES * 2 ** Math.floor((number - 1) / SAME_SIZE);
}

/** Maximum number of parts. */
export const MOST_PARTS = 10_000;

/** A stored part. */
export interface StoredPart {
  readonly key: string;
  readonly size: number;
}

/** The record of an upload, as JSON. */
export interface StateRecord {
  readonly notes: string;
  readonly finished: { readonly segments: readonly string[]; readonly version: string } | null;
}

/** Who writes to an upload. */
interface Owner {
  readonly owner: string;
  readonly epoch: number;
}

const PART = /\/part-(\d{5})-(\d{6})$/;

/** The state of one upload. */
export class UploadState {
  readonly #writes: Writes;
  readonly #prefix: string;

  /** `prefix` is that of all uploads. */
  constructor(writes: Writes, prefix: string, path: string, id: string) {
    this.#writes = writes;
    this.#prefix = `${prefix}${sha256(`${path}\0${id}`).slice(0, 32)}/`;
  }

  /** The stored parts without a gap, of each number the latest; null if nothing is known of the upload. */
  async parts(): Promise<StoredPart[] | null> {
    const latest = new Map<number, StoredPart & { readonly epoch: number }>();
    let isKnown = false;
    for (const { key, size } of await this.#objects()) {
      isKnown ||= !key.endsWith("/record");
      const [, number, epoch] = PART.exec(key) ?? [];
      if (number === undefined || Number(epoch) < (latest.get(Number(number))?.epoch ?? 0)) continue;
      latest.set(Number(number), { key, size, epoch: Number(epoch) });
    }
    const parts: StoredPart[] = [];
    for (let part = latest.get(1); part; part = latest.get(parts.length + 1)) {
      const { key, size } = part;
      parts.push({ key, size });
      if (size < partBytes(parts.length)) break;
    }
    return isKnown ? parts : null;
  }

  /** Becomes the owner; returns the epoch. */
  async own(owner: string): Promise<number> {
    const epoch = ((await this.#owner())?.epoch ?? 0) + 1;
    await this.#write("owner", { owner, epoch });
    return epoch;
  }

  async isOwner(owner: string): Promise<boolean> {
    return (await this.#owner())?.owner === owner;
  }

  /** Stores a part. */
  async store(number: number, epoch: number, bytes: Uint8Array<ArrayBuffer>): Promise<StoredPart> {
    const key = `${this.#prefix}part-${String(number).padStart(5, "0")}-${String(epoch).padStart(6, "0")}`;
    await this.#writes.put(key, bytes, "any");
    return { key, size: bytes.length };
  }

  async load({ key, size }: StoredPart): Promise<Uint8Array<ArrayBuffer>> {
    if (size === 0) return new Uint8Array();
    return await new Response(await readRange(this.client, { key, etag: null, size }, { start: 0, end: size })).bytes();
  }

  async remove(parts: readonly StoredPart[]): Promise<void> {
    await eachOf(parts, ({ key }) => this.#writes.remove(key));
  }

  /** Removes everything; with `except`, the record stays. */
  async clear(except: "record" | null = null): Promise<void> {
    const objects = (await this.#objects()).filter(({ key }) => except === null || !key.endsWith(`/${except}`));
    await eachOf(objects, ({ key }) => this.#writes.remove(key));
  }

  async record(): Promise<StateRecord | null> {
    return await this.#read("record", (json) => {
      const { notes, finished } = json;
      const isFinished = Array.isArray(finished?.segments) && typeof finished.version === "string";
      return typeof notes === "string" && (finished === null || isFinished) ? { notes, finished } : null;
    });
  }

  async writeRecord(record: StateRecord): Promise<void> {
    await this.#write("record", record);
  }

  /** Removes the record. Returns whether there was one. */
  async removeRecord(): Promise<boolean> {
    const isThere = await this.record() !== null;
    if (isThere) await this.#writes.remove(`${this.#prefix}record`);
    return isThere;
  }

  private get client(): StoreClient {
    return this.#writes.client;
  }

  async #objects() {
    const objects = [];
    for await (const page of pagesOf(this.client, { prefix: this.#prefix, isFlat: false })) {
      objects.push(...page.objects);
    }
    return objects;
  }

  async #owner(): Promise<Owner | null> {
    return await this.#read("owner", ({ owner, epoch }) => {
      return typeof owner === "string" && Number.isSafeInteger(epoch) ? { owner, epoch } : null;
    });
  }

  // deno-lint-ignore no-explicit-any
  async #read<T>(name: string, parse: (json: any) => T | null): Promise<T | null> {
    const { status, text } = await this.client.exchange({ method: "GET", key: this.#prefix + name, expects: [404] });
    if (status === 404) return null;
    try {
      return parse(JSON.parse(text));
    } catch {
      return null; // not ours
    }
  }

  async #write(name: string, value: StateRecord | Owner): Promise<void> {
    await this.#writes.put(this.#prefix + name, new TextEncoder().encode(JSON.stringify(value)), "any");
  }
}
