/** Reports of what handlers, classes and programs see of a request: in one form for all doors, in a field of the response. */

import { type Handler, HttpError, toFetch } from "@x/pyserve";
import { BaseHTTPRequestHandler } from "@x/pyserve/python";

/** A request as its handler sees it. */
export interface Seen {
  readonly method: string;
  /** The target as sent, query included. */
  readonly target: string;
  /** Values by name in lower case, several of one name joined. */
  readonly fields: Readonly<Record<string, string>>;
  /** The body, a character a byte; null where a handler is given none. */
  readonly body: string | null;
}

/** Answers with a report. */
const report: Handler = async (request, { target, refusal, protocol }) => {
  if (refusal) return null;
  const body = request.body === null ? null : characters(await request.bytes().catch(brokenOff));
  const fields = Object.fromEntries(request.headers);
  const seen = { method: request.method, target: target.raw, fields, body };
  if (protocol === "HTTP/0.9") return new Response(`x-seen: ${written(seen)}`);
  return new Response("seen", { headers: { "x-seen": written(seen), "content-length": "4" } });
};

/** Reads bodies as the package does. */
function brokenOff(cause: unknown): never {
  throw cause instanceof HttpError ? cause : new HttpError(400, "The body was broken off", { cause });
}

/** The function that serves the report. */
export const reporting = toFetch(report, { log: { access() {}, error() {} }, hosts: "any" });

/** A class that answers every method with a report. */
export class Reporter extends BaseHTTPRequestHandler {
  protected override method_for() {
    return this.report;
  }

  /** Answers. */
  async report(): Promise<void> {
    const body = characters(await this.rfile.read());
    const fields = Object.fromEntries(this.headers.to_headers());
    const seen = written({ method: this.command!, target: this.path, fields, body });
    this.send_response(200);
    this.send_header("X-Seen", seen);
    this.send_header("Content-Length", 4);
    this.end_headers();
    if (this.request_version === "HTTP/0.9") this.wfile.write(`x-seen: ${seen}`);
    else if (this.command !== "HEAD") this.wfile.write("seen");
  }

  override log_message() {}
}

/** The same class, with connections that are kept. */
export class Reporter11 extends Reporter {
  override protocol_version = "HTTP/1.1";
}

function written(seen: Seen): string {
  return encodeURIComponent(JSON.stringify(seen)); // which is what a field can hold
}

/** Bytes as text of a character a byte. */
export function characters(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

export default { fetch: reporting };
