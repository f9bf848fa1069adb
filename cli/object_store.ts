/**
 * Directories in object stores; loaded if there are any.
 *
 * @module
 */

import { HttpError } from "../handlers/core/errors.ts";
import { SitePath } from "../handlers/http/target.ts";
import { s3 } from "../handlers/sources/s3.ts";
import type { FileSource } from "../handlers/sources/types.ts";
import type { UploadOptions } from "../handlers/upload/upload.ts";
import { StartError } from "./start_error.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Opens `s3://BUCKET/DIRECTORY`, and asks the store once, so that a wrong name or key shows at the start. The store and its
 * keys are those of the environment.
 *
 * @param what The beginning of an error.
 */
export async function openStore(url: string, what: string): Promise<FileSource> {
  const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(url) ?? [];
  if (bucket === "") throw new UsageError(`${what}: the name of the bucket is missing, as in s3://BUCKET/DIRECTORY`);
  try {
    const source = s3({ bucket, prefix });
    await source.list(SitePath.root);
    return source;
  } catch (error) {
    if (error instanceof TypeError) throw new StartError(`${what}: ${error.message}`);
    throw new StartError(`${what}: ${reasonOf(error)}`);
  }
}

/**
 * Checks at start, not at the first upload, that files can be stored.
 *
 * @throws {StartError} If the store refuses them, or cannot refuse a name that is taken where that is the policy.
 */
export async function requireUploads(source: FileSource, { onConflict = "fail" }: UploadOptions): Promise<void> {
  try {
    const { isExclusive = true } = await source.openWriter!();
    if (isExclusive || onConflict !== "fail") return;
  } catch (error) {
    throw new StartError(`Cannot take uploads: ${reasonOf(error)}`);
  }
  throw new StartError(
    "Cannot take uploads with --on-conflict fail: this store does not evaluate If-None-Match, so that two uploads of the " +
      "same name could overwrite each other; use --on-conflict rename or overwrite",
  );
}

function reasonOf(error: unknown): string {
  return error instanceof HttpError ? explained(error) : StartError.reason(error);
}

function explained({ message, cause }: HttpError): string {
  const detail = cause instanceof Error ? ` (${cause.message})` : "";
  return `${message[0]!.toLowerCase()}${message.slice(1)}${detail}`;
}
