/**
 * The upper bound of `Deno.serve`, without a file system: the same body for every request, as a new response
 * ("constant") or as a clone of one response ("clone"). Run as `ceilings.ts constant|clone PORT`.
 */

const BODY = new Uint8Array(1024).fill(97);
const HEADERS = {
  "content-type": "text/plain; charset=UTF-8",
  "content-length": "1024",
  "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
  "accept-ranges": "bytes",
  etag: '"400-1"',
};

function constant(): Response {
  return new Response(BODY);
}

const template = new Response(BODY, { headers: HEADERS });

function clone(): Response {
  return template.clone();
}

if (import.meta.main) {
  const [name, port] = Deno.args;
  const options = { port: Number(port), hostname: "127.0.0.1", onListen() {} };
  Deno.serve(options, name === "clone" ? clone : constant);
}
