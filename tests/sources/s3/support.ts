/** The store that the tests share, and ways to look at it. */

import { archives, checksums, fileServer, type FileSource, searches, toFetch } from "@x/pyserve";
import { s3, type S3Options } from "@x/pyserve/sources";
import type { StoreClient } from "../../../handlers/sources/s3/client.ts";
import { noise } from "../../support/bytes.ts";
import { KEYS, put, type Swift, WITHOUT_SWIFT } from "../../support/swift.ts";
import { until } from "../../support/wait.ts";

/** The running store, and a client of the bucket `pyserve`. */
export const store = {} as { swift: Swift; client: StoreClient };

/** The content of `site/large.bin`. */
export const LARGE = noise(3_000_000);

/** A directory of files that no test changes. */
const SITE: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
  "site/index.html": "<h1>Site",
  "site/docs/a b+c.txt": "0123456789",
  "site/docs/ü&<'\">.txt": "umlaut",
  "site/docs/deep/er/x.txt": "deep",
  "site/large.bin": LARGE,
  "site/empty": "",
  "site/marked/": "",
};

/** Fills a store that has been started. */
export async function prepare(swift: Swift): Promise<void> {
  store.swift = swift;
  store.client = await swift.bucket("pyserve");
  for (const [key, content] of Object.entries(SITE)) await put(store.client, key, content);
  // Swift rounds dates up, and a date in the future is not sent.
  const { headers } = await store.client.send({ method: "HEAD", key: "site/marked/" });
  await until(() => Date.parse(headers.get("last-modified")!) + 1_000 < Date.now());
}

/** A test that needs the store. */
export function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, ignore: WITHOUT_SWIFT, fn: run });
}

/** The bucket `pyserve`, unless the options say otherwise. */
export function source(options: Partial<S3Options> = {}): FileSource {
  return s3({ bucket: "pyserve", endpoint: store.swift.endpoint, credentials: KEYS, ...options });
}

/** Asks the file server; collects what it logs. */
export function serving(source: FileSource, errors: string[] = []) {
  const log = { access() {}, error: (message: string, cause?: unknown) => void errors.push(`${message}: ${cause}`) };
  const fetch = toFetch(fileServer(source, { features: [archives(), checksums(), searches()], log: false }), { log });
  return async (path: string, init: RequestInit = {}) => await fetch(new Request(`http://localhost${path}`, init));
}
