/**
 * The upper bound of `Deno.serve`: a clone of one response for every request, without reading the request or a file. Run
 * as `ceilings.ts NAME PORT STATUS SIZE [CERT KEY]`.
 *
 * "ceiling-grown" in addition has the runtime's write buffer grow: it begins with 512 bytes, does not shrink, and head and
 * body that do not fit are sent by two system calls.
 *
 * "deno-x" and "native-x" are a trivial handler, for `Deno.serve` and for the native engine.
 */

import { serveNative } from "../../handlers/transport/native/serve_native.ts";
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

const HANDLERS: Readonly<Record<string, () => Response>> = {
  ceiling: () => template.clone(),
  "ceiling-grown": () => (count++ % INTERVAL === 0 ? long : template).clone(),
  "deno-x": () => new Response("x"),
  "native-x": () => new Response("x"),
};

const address = { port: Number(port), hostname: "127.0.0.1" };
const tls = cert && key ? { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) } : {};
if (name === "native-x") serveNative(HANDLERS[name]!, address);
else Deno.serve({ ...address, onListen() {}, ...tls }, HANDLERS[name!]!);
// Over TLS, the runtime leaves Nagle's algorithm enabled.
openSockets()?.setOnListeners(Number(port), [NO_DELAY]);
