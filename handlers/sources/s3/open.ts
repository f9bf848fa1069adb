/**
 * Opens a bucket: what the options leave open comes from the environment.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { onDemand } from "../../core/on_demand.ts";
import type { SourceWriter } from "../writer.ts";
import { type ClientOptions, type ExpiringKeys, StoreClient } from "./client.ts";
import { type EnvironmentSettings, environmentSettings } from "./environment.ts";
import { requireEndpoint, type S3Options } from "./options.ts";
import { S3Source } from "./source.ts";

const DEFAULT_REGION = "us-east-1";
const DEFAULT_TIMEOUT_MS = 20_000;
const DEFAULT_CACHE_BYTES = 16 * 1024 * 1024;

const writing = onDemand(() => import("./open_writer.ts"));

/** A bucket that is open. */
export interface OpenBucket {
  readonly source: S3Source;
  openWriter(): Promise<SourceWriter>;
}

/** Opens a bucket; no request is made. `prefix` has been normalized. */
export function openBucket(options: S3Options, prefix: string): OpenBucket {
  const settings = clientOptions(options);
  requirePermission(settings);
  const client = new StoreClient(settings);
  const bucket = { client, prefix };
  const source = new S3Source(bucket, options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  return { source, openWriter: async () => (await writing()).openWriter(bucket, source) };
}

function clientOptions(options: S3Options): ClientOptions {
  const environment = environmentSettings(options.profile);
  const region = options.region ?? environment.region ?? DEFAULT_REGION;
  const endpoint = options.endpoint ?? environment.endpoint;
  if (endpoint !== null) requireEndpoint(endpoint);
  const style = options.pathStyle ?? environment.pathStyle;
  return {
    bucket: options.bucket,
    endpoint: new URL(endpoint ?? `https://s3.${region}.amazonaws.com`),
    region,
    pathStyle: style ?? (endpoint !== null || !isHostLabel(options.bucket)),
    keys: () => keysOf(options, environment),
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  };
}

/** Whether a bucket can be part of a host name that certificates cover: they cover one label. */
function isHostLabel(bucket: string): boolean {
  return /^[a-z0-9-]{3,63}$/.test(bucket);
}

async function keysOf({ credentials }: S3Options, { keys }: EnvironmentSettings): Promise<ExpiringKeys | null> {
  if (credentials === null) return null;
  const own = typeof credentials === "function" ? await credentials() : credentials ?? keys;
  if (own) return own;
  const cause = new Error(
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for keys in ~/.aws/credentials",
  );
  throw new HttpError(502, "This server has no keys for the file store", { cause });
}

/** Connecting without it would ask on the terminal, at a time that clients choose. */
function requirePermission({ bucket, pathStyle, endpoint: { protocol, hostname, port } }: ClientOptions): void {
  const name = pathStyle ? hostname : `${bucket}.${hostname}`;
  const host = `${name}:${port || (protocol === "https:" ? "443" : "80")}`;
  if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
  const cause = new Error(`it takes --allow-net=${host}`);
  throw new HttpError(502, "This server may not connect to the file store", { cause });
}
