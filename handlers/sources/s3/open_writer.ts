/**
 * Opens the writer of a bucket; loaded when something is written.
 *
 * @module
 */

import { evaluatesConditions } from "./conditions.ts";
import { UPLOADS } from "./keys.ts";
import type { Bucket, S3Source } from "./source.ts";
import { S3Writer } from "./writer.ts";
import { Writes } from "./writes.ts";

/** Asks the store what it can do, and opens the writer. */
export async function openWriter(bucket: Bucket, source: S3Source): Promise<S3Writer> {
  const { client, prefix } = bucket;
  const writes = new Writes(client, await evaluatesConditions(client, prefix + UPLOADS));
  return new S3Writer(bucket, source, writes);
}
