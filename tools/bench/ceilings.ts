/**
 * The upper bound of `Deno.serve`: a clone of one response for every request, without reading the request or a file. Run
 * as `ceilings.ts NAME PORT STATUS SIZE [CERT KEY]`.
 *
 * "ceiling-grown" in addition has the runtime's write buffer grow: it begins with 512 bytes, does not shrink, and head and
 * body that do not fit are sent by two system calls.
 */

import { NO_DELAY, openSockets } from "../../handlers/system/sockets.ts";

const FILLER_BYTES = 1_800;

/** How often a response is long: rarely enough to cost nothing, and prime, so that it reaches every connection. */
const INTERVAL = 61;

const [name, port, status, size, cert, key] = Deno.args;

function response(filler: Record<string, string>): Response {
  const headers = {
    "content-type": "text/plain; charset=UTF-8",
    "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "accept-ranges": "bytes",
    etag: '"400-1"',
    ...filler,
  };
  const body = status === "304" ? null : new Uint8Array(Number(size)).fill(97);
  return new Response(body, { status: Number(status), headers });
}

const template = response({});
const long = response({ "x-filler": "-".repeat(FILLER_BYTES) });
let count = 0;

const handler = name === "ceiling"
  ? () => template.clone()
  : () => (count++ % INTERVAL === 0 ? long : template).clone();

const tls = cert && key ? { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) } : {};
Deno.serve({ port: Number(port), hostname: "127.0.0.1", onListen() {}, ...tls }, handler);
// Over TLS, the runtime leaves Nagle's algorithm enabled.
openSockets()?.setOnListeners(Number(port), [NO_DELAY]);
