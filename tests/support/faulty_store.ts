/** A proxy between pyserve and an object store, which delays, cuts and replaces answers. */

import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";

/** What the proxy does with a request: passes it on where it returns null. */
export type Fault = (request: Request, pass: () => Promise<Response>) => Promise<Response> | Response | null;

/** A running proxy. */
export interface FaultyStore extends AsyncDisposable {
  readonly endpoint: string;
  /** `METHOD PATH?QUERY` of the requests so far. */
  readonly requests: string[];
  /** The fault from now on; null for none. */
  fault: Fault | null;
}

/** Starts one in front of an endpoint. Signatures stay valid, because the Host header is passed on. */
export function faultyStore(endpoint: string): FaultyStore {
  const requests: string[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response() },
    (request) => {
      const path = request.url.slice(request.url.indexOf("/", 8));
      requests.push(`${request.method} ${path}`);
      const pass = () => passOn(endpoint, path, request);
      return store.fault?.(request, pass) ?? pass();
    },
  );
  const store: FaultyStore = {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    requests,
    fault: null,
    [Symbol.asyncDispose]: async () => await server.shutdown(),
  };
  return store;
}

/** By Node's client, because fetch does not pass Host on, which the signature covers. */
async function passOn(endpoint: string, path: string, incoming: Request): Promise<Response> {
  const { hostname, port } = new URL(endpoint);
  const { method } = incoming;
  const body = incoming.body && await incoming.bytes();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request({ hostname, port, path, method, headers: Object.fromEntries(incoming.headers) }, resolve);
  outgoing.on("error", reject).end(body ?? undefined);
  const answer = await promise;
  const headers = new Headers(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
  headers.delete("connection");
  headers.delete("transfer-encoding");
  const content = new Uint8Array(await new Response(Readable.toWeb(answer) as ReadableStream).arrayBuffer());
  const isEmpty = method === "HEAD" || answer.statusCode === 204 || answer.statusCode === 304;
  return new Response(isEmpty ? null : content, { status: answer.statusCode!, headers });
}

/** The error that a store sends. */
export function storeError(status: number, code: string): Response {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>m</Message></Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml" } });
}

/** The same answer, whose body breaks off after so many bytes. */
export async function cutAfter(response: Response, bytes: number): Promise<Response> {
  const whole = await response.bytes();
  let isSent = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (isSent) return controller.error(new Error("cut"));
      isSent = true;
      controller.enqueue(whole.subarray(0, bytes));
    },
  });
  return new Response(body, response);
}
