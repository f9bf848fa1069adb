/** The second client, on its own thread, so that the benchmark's other work does not disturb its timing. */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { probe } from "./measure.ts";

const probing = new AbortController();

/** Requests a URL from when it is received until null is received; reports the start, and finally all latencies. */
addEventListener("message", async ({ data: url }: MessageEvent<string | null>) => {
  if (url === null) return probing.abort();
  await fetch(url).then((response) => response.bytes());
  postMessage(null);
  postMessage(await probe(url, probing.signal));
});
