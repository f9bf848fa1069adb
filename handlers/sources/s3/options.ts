/**
 * Options of a source in an object store.
 *
 * @module
 */

import type { Awaitable } from "../../core/types.ts";

/** The keys of an account of an object store. */
export interface S3Credentials {
  /** The public part. */
  readonly accessKeyId: string;
  /** The secret part. */
  readonly secretAccessKey: string;
  /** The token of temporary keys. */
  readonly sessionToken?: string | undefined;
  /** When temporary keys expire, in milliseconds since 1970; a minute before, they are asked for again. */
  readonly expires?: number | undefined;
}

/** Options of `s3`. */
export interface S3Options {
  /** The name of the bucket. */
  readonly bucket: string;
  /** The directory in the bucket that is served, such as `site/public`; defaults to the whole bucket. */
  readonly prefix?: string;
  /** The URL of the store; defaults to `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, that of the profile, or Amazon's. */
  readonly endpoint?: string;
  /** The region; defaults to `AWS_REGION`, `AWS_DEFAULT_REGION`, that of the profile, or `us-east-1`. */
  readonly region?: string;
  /** Whether the bucket is part of the path, not of the host name. Defaults to true if there is an endpoint. */
  readonly pathStyle?: boolean;
  /**
   * The keys, or a function that fetches them, for example from a metadata service; null for requests without a signature.
   * Defaults to `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, or to those of the profile.
   */
  readonly credentials?: S3Credentials | (() => Awaitable<S3Credentials>) | null;
  /** The profile in `~/.aws/credentials` and `~/.aws/config`; defaults to `AWS_PROFILE`. */
  readonly profile?: string;
  /** Memory for small files, in bytes; defaults to 16 MiB. The store is asked for their version before each response. */
  readonly cacheBytes?: number;
  /** Maximum time for each answer of the store, and for each piece of its body, in milliseconds; defaults to 20 s. */
  readonly timeoutMs?: number;
}

/** Throws a TypeError for anything but the URL of a store. */
export function requireEndpoint(endpoint: string): void {
  const url = URL.parse(endpoint);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (!isPlain) throw new TypeError(`Cannot use the endpoint "${endpoint}": it is not an http or https URL`);
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("Cannot use the endpoint: it contains a password");
  }
}
