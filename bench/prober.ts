/** The other client, in a thread of its own: what the benchmark does otherwise must not keep it from its clock. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { probe } from "./measure.ts";

const probing = new AbortController();

/** Asks an address that it is sent until it is sent null; tells when it has begun, and in the end how long each answer took. */
addEventListener("message", async ({ data: url }: MessageEvent<string | null>) => {
  if (url === null) return probing.abort();
  await fetch(url).then((response) => response.bytes());
  postMessage(null);
  postMessage(await probe(url, probing.signal));
});
