/** Tests of the suites that the native engine cannot pass, and why. docs/engine.md has what users see of them. */
export const DIFFERENCES: Readonly<Record<string, string>> = {
  "conformance: framing and connections ... row 51: a request of HTTP/1.0 without Host is 400 (RFC 9112 3.2)":
    "The version is known: HTTP/1.0 needs no Host",
  "advisories about the framing of requests ... gh-150499, werkzeug #2397: an unread body is not taken for a request":
    "The response has Connection: close, after which no request is answered (RFC 9112 section 9.6)",
  "a server that stops closes WebSockets, for which it would have to wait":
    "Their bytes are passed on as they are: closing frames cannot be added (1006 instead of 1001)",
  "neither a start nor the first file and its line in the log use a timer of Node":
    "The engine takes turns with the runtime by setImmediate, which is Node's",
};
