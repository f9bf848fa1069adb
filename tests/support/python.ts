/** Servers of Python's classes, and clients with raw sockets. */

import {
  BaseHTTPRequestHandler,
  type HTTPServer,
  type RequestHandlerClass,
  ThreadingHTTPServer,
} from "@x/pyserve/python";
import { latin1 as characters } from "../../handlers/http1/input_buffer.ts";
import { latin1, parseResponse, type RawResponse } from "./raw.ts";

/** Milliseconds after which a test that waits for bytes fails. */
const PATIENCE = 20_000;

/** What the handlers of a server have logged. */
export interface Log {
  readonly lines: string[];
  /** Waits until a line contains something. */
  until(text: string): Promise<void>;
}

/** An empty log. */
export function emptyLog(): Log & { add(line: string): void } {
  const lines: string[] = [];
  let changed = Promise.withResolvers<void>();
  return {
    lines,
    add(line) {
      lines.push(line);
      changed.resolve();
      changed = Promise.withResolvers();
    },
    async until(text) {
      while (!lines.some((line) => line.includes(text))) await changed.promise;
    },
  };
}

/** A server that serves, and what it logs. */
export interface Serving extends AsyncDisposable {
  readonly server: HTTPServer;
  readonly port: number;
  readonly log: Log;
  /** What `handle_error` was told. */
  readonly errors: unknown[];
}

/** Serves a class on a free port until the end of the block; its log lines are kept, not printed. */
export function serving(
  Handler: RequestHandlerClass,
  Server: new (address: readonly [string, number], handler: RequestHandlerClass) => HTTPServer = ThreadingHTTPServer,
  settings: Partial<HTTPServer> = {},
): Serving {
  const log = emptyLog();
  const errors: unknown[] = [];
  class Logged extends Handler {
    override log_message(format: string, ...args: unknown[]) {
      log.add(args.reduce<string>((text, arg) => text.replace(/%[sdr]/, () => String(arg)), format));
    }
  }
  const server = new Server(["127.0.0.1", 0], Logged);
  Object.assign(server, settings);
  server.handle_error = (_request, _address, error) => void errors.push(error);
  const ended = server.serve_forever();
  return {
    server,
    port: server.server_port,
    log,
    errors,
    async [Symbol.asyncDispose]() {
      await server.server_close();
      await ended;
    },
  };
}

/** A client that sends and receives raw text. */
export class Client implements Disposable {
  readonly conn: Deno.Conn;
  #heard = "";
  #gaveUp = false;
  readonly #timer: ReturnType<typeof setTimeout>;

  private constructor(conn: Deno.Conn) {
    this.conn = conn;
    this.#timer = setTimeout(() => {
      this.#gaveUp = true;
      conn.close();
    }, PATIENCE);
  }

  static async connect(port: number): Promise<Client> {
    return new Client(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Whether the client closed the connection after a timeout. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** Sends text, a byte a character. */
  async say(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? latin1(text) : text;
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** Everything received, a character a byte, once it contains a text or the server has closed. */
  async hear(until?: string): Promise<string> {
    const buffer = new Uint8Array(65_536);
    while (until === undefined || !this.#heard.includes(until)) {
      const count = await this.conn.read(buffer).catch(() => null);
      if (this.#gaveUp) throw new Error(`Nothing more came than ${JSON.stringify(this.#heard.slice(0, 200))}`);
      if (count === null) break;
      this.#heard += characters(buffer.subarray(0, count));
    }
    return this.#heard;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    try {
      this.conn.close();
    } catch {
      // The timer was faster.
    }
  }
}

/** Sends bytes, and returns everything received until the server closes; `end` closes the client's side. */
export async function exchange(port: number, sent: string | Uint8Array, { end = false } = {}): Promise<string> {
  using client = await Client.connect(port);
  // The server may close while we still write.
  await client.say(sent).catch(() => {});
  if (end) await client.conn.closeWrite().catch(() => {});
  return await client.hear();
}

/** The same, taken apart. */
export async function reply(port: number, sent: string): Promise<RawResponse> {
  return parseResponse(latin1(await exchange(port, sent)));
}

/** A class that answers GET with the request, and POST with the body. */
export class Echo extends BaseHTTPRequestHandler {
  override protocol_version = "HTTP/1.1";

  do_GET(): void {
    this.answer(`GET ${this.path}`);
  }

  async do_POST(): Promise<void> {
    this.answer(`POST ${new TextDecoder().decode(await this.rfile.read())}`);
  }

  /** Answers with a text. */
  answer(text: string): void {
    const body = new TextEncoder().encode(text);
    this.send_response(200);
    this.send_header("Content-Length", body.length);
    this.end_headers();
    this.wfile.write(body);
  }
}
