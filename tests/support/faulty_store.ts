/** A proxy between pyserve and an object store, which delays, cuts and replaces answers. */

import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { clientOf } from "./swift.ts";

/** What the proxy does with a request: passes it on where it returns null. */
export type Fault = (request: Request, pass: Pass) => Promise<Response> | Response | null;

/** Passes a request on, without these headers. */
type Pass = (...without: readonly string[]) => Promise<Response>;

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
      const pass: Pass = (...without) => passOn(endpoint, path, request, without);
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
async function passOn(
  endpoint: string,
  path: string,
  incoming: Request,
  without: readonly string[],
): Promise<Response> {
  const { hostname, port } = new URL(endpoint);
  const { method } = incoming;
  const body = incoming.body && await incoming.bytes();
  const sent = Object.fromEntries([...incoming.headers].filter(([name]) => !without.includes(name)));
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request({ hostname, port, path, method, headers: sent }, resolve);
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

/** Lets a store that does not evaluate conditions for writing do so: one request at a time for each object. */
export function conditional(endpoint: string): Fault {
  const last = new Map<string, Promise<unknown>>();
  return (request, pass) => {
    const { pathname } = new URL(request.url);
    const [noneMatch, match] = ["if-none-match", "if-match"].map((name) => request.headers.get(name));
    if (!/^(?:PUT|POST)$/.test(request.method) || !(noneMatch || match)) return null;
    const [, bucket, ...key] = pathname.split("/").map(decodeURIComponent);
    const answer = Promise.resolve(last.get(pathname)).then(async () => {
      const { status, headers } = await clientOf(endpoint, bucket!).send({
        method: "HEAD",
        key: key.join("/"),
        expects: [404],
      });
      const isMet = noneMatch ? status === 404 : headers.get("etag") === match;
      if (isMet) return await pass("if-none-match", "if-match");
      return status === 404 ? storeError(404, "NoSuchKey") : storeError(412, "PreconditionFailed");
    });
    last.set(pathname, answer);
    return answer;
  };
}
