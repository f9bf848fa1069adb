/** An object store as a source: one Swift for all tests, because it takes some seconds to start. */

import { startSwift, WITHOUT_SWIFT } from "../support/swift.ts";
import { prepare, store } from "./s3/support.ts";
import "./s3/dav.ts";
import "./s3/reading.ts";
import "./s3/writing.ts";

Deno.test.beforeAll(async () => {
  if (!WITHOUT_SWIFT) await prepare(await startSwift());
});

Deno.test.afterAll(async () => {
  if (!WITHOUT_SWIFT) await store.swift?.[Symbol.asyncDispose]();
});
