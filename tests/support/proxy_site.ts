/** A site behind which an application answers, and applications scripted by a test. */

import {
  type FetchFunction,
  fileServer,
  type FileServerOptions,
  proxyFeature,
  type RunningServer,
  serve,
  toFetch,
} from "@x/pyserve";
import { serveNative } from "@x/pyserve/handlers";
import { memory } from "@x/pyserve/sources";
import type { ProxyOptions } from "@x/pyserve/handlers";
import { TESTED } from "./command.ts";
import { latin1 } from "./raw.ts";

/** A site with a proxy. */
export interface ProxySite extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** The error log. */
  readonly errors: readonly string[];
  /** The access log. */
  readonly lines: readonly string[];
  /** Stops it when nothing is in progress. */
  drain(): Promise<void>;
}

/** `serve` or `serveNative`, at a TCP port. */
export type Listen = (
  fetch: FetchFunction,
  options: { readonly hostname: string; readonly port: number },
) => RunningServer;

/** Serves files in memory, and a path by an application. */
export function proxySite(
  options: Partial<ProxyOptions> & Pick<ProxyOptions, "upstream">,
  files: Readonly<Record<string, string>> = {},
  serving: FileServerOptions = {},
  listen: Listen = TESTED.engine === "native" ? serveNative : serve,
): ProxySite {
  const errors: string[] = [];
  const lines: string[] = [];
  const log = {
    access: (line: string) => void lines.push(line),
    error: (message: string, cause?: unknown) =>
      void errors.push(cause === undefined ? message : `${message}: ${cause}`),
  };
  const features = [proxyFeature({ path: "/api", ...options }), ...serving.features ?? []];
  let port = 0;
  const site = toFetch(fileServer(memory(files), { ...serving, features }), {
    log,
    localAddress: () => ({ hostname: "127.0.0.1", port }),
  });
  const server = listen(site, { hostname: "127.0.0.1", port: 0 });
  port = server.address.port;
  const url = `http://127.0.0.1:${port}`;
  return { port, url, errors, lines, drain: () => server.drain(), [Symbol.asyncDispose]: () => server.abort() };
}

/** What an application tells about a request. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** An application of Deno.serve that tells what it was asked, unless its answer says otherwise. */
export function application(
  answer: (request: Request) => Response | null | Promise<Response | null> = () => null,
): AsyncDisposable & { readonly url: string; readonly port: number } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const given = await answer(request);
    if (given !== null) return given;
    const target = request.url.slice(request.url.indexOf("/", 8));
    const headers = Object.fromEntries(request.headers);
    return Response.json({ method: request.method, target, headers, body: await request.text() });
  });
  const { port } = server.addr;
  return { url: `http://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** A connection of a proxy to a scripted application. */
export interface Call {
  /** The head of the request. */
  readonly head: string;
  readonly conn: Deno.TcpConn;
  /** What has arrived after the head. */
  readonly rest: Uint8Array;
  send(text: string): Promise<void>;
  /** Reads until the proxy closes; returns how much has arrived. */
  untilClosed(): Promise<number>;
}

/** An application that a test scripts, byte by byte. Each connection is closed after its script. */
export function scripted(
  script: (call: Call) => Promise<unknown>,
): AsyncDisposable & { readonly url: string; readonly calls: readonly Call[] } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const calls: Call[] = [];
  const running: Promise<void>[] = [];
  const accept = (async () => {
    for await (const conn of listener) running.push(handle(conn, script, calls));
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    calls,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accept;
      await Promise.all(running);
    },
  };
}

async function handle(conn: Deno.TcpConn, script: (call: Call) => Promise<unknown>, calls: Call[]): Promise<void> {
  using _conn = conn;
  const buffer = new Uint8Array(65_536);
  let text = "";
  let end = -1;
  while (end < 0) {
    const count = await conn.read(buffer);
    if (count === null) return;
    text += String.fromCharCode(...buffer.subarray(0, count));
    end = text.indexOf("\r\n\r\n");
  }
  const call: Call = {
    head: text.slice(0, end),
    rest: latin1(text.slice(end + 4)),
    conn,
    async send(text) {
      const bytes = latin1(text);
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    },
    async untilClosed() {
      let total = 0;
      try {
        for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) total += count;
      } catch {
        // reset
      }
      return total;
    },
  };
  calls.push(call);
  await script(call).catch(() => {});
}
