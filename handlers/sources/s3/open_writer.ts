/**
 * Opens the writer of a bucket; loaded when something is written.
 *
 * @module
 */

import { probeConditions } from "./conditions.ts";
import { STATE_NAME } from "./keys.ts";
import type { Bucket, S3Source } from "./source.ts";
import { S3Writer } from "./writer.ts";
import { Writes } from "./writes.ts";

/** Asks the store what it can do, and opens the writer. */
export async function openWriter(bucket: Bucket, source: S3Source): Promise<S3Writer> {
  const { client, prefix } = bucket;
  return new S3Writer(bucket, source, new Writes(client, await probeConditions(client, `${prefix}${STATE_NAME}/`)));
}
