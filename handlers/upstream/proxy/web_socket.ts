/**
 * WebSockets through a proxy: one connection to the client and one to the application, between which messages are
 * passed on.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { internalsOf } from "../../core/internals.ts";
import type { Context } from "../../core/types.ts";
import { placeOf } from "../connection.ts";
import type { Upstream } from "./upstream_url.ts";

/** How many bytes may wait for a side that reads slowly, before both are disconnected. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Status codes that stand for a missing close frame, and are never sent (RFC 6455 section 7.4.1). */
const NO_STATUS = 1005;
const UNCLEAN = [1006, 1015];

/** Whether a request asks for a WebSocket (RFC 6455 section 4.1). */
export function wantsWebSocket({ method, headers }: Request): boolean {
  return method === "GET" && headers.get("upgrade")?.toLowerCase() === "websocket";
}

/** The error for an application that opens none. */
export function refusedSocket({ address }: Upstream, reason: string): HttpError {
  const cause = `${placeOf(address)} opens no WebSocket${reason === "" ? "" : ` (${reason})`}`;
  return new HttpError(502, "The application has refused the WebSocket, or cannot be reached", { cause });
}

/** A WebSocket to be opened at an application. */
export interface WebSocketRequest {
  readonly request: Request;
  readonly context: Context;
  readonly upstream: Upstream;
  /** Path and query. */
  readonly target: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly connectTimeout: number;
  /** Cancels opening; its reason is an {@linkcode HttpError}. */
  readonly signal: AbortSignal;
  /** Called once when both sides are closed, or nothing has been opened. */
  readonly onOver: () => void;
}

/**
 * Opens a WebSocket at the application, and only then accepts that of the client, with the same subprotocol.
 *
 * @throws {HttpError} 502 if the application refuses, 504 if it does not answer in time.
 */
export async function relayWebSocket(asked: WebSocketRequest): Promise<Response> {
  const { request, onOver } = asked;
  const { application, close } = connect(asked);
  try {
    await opened(application, asked);
    const { protocol } = application;
    keepReadable(asked);
    const { socket, response } = Deno.upgradeWebSocket(request, { ...(protocol !== "" && { protocol }) });
    Promise.all([joined(socket, application), joined(application, socket)]).then(() => {
      close();
      onOver();
    });
    return response;
  } catch (error) {
    discard(application);
    close();
    onOver();
    throw error;
  }
}

/** The access log and other layers read the request, of which the runtime keeps nothing after the upgrade. */
function keepReadable({ request, context }: WebSocketRequest): void {
  const { url, method, headers } = request;
  const internals = internalsOf(context);
  internals.urlOf(request);
  internals.headOf(request);
  const kept = { url, method, headers: new Headers(headers) };
  for (const [name, value] of Object.entries(kept)) Object.defineProperty(request, name, { value });
}

function connect({ request, upstream, target, fields }: WebSocketRequest) {
  const { address, origin, tlsName } = upstream;
  const client = address.transport === "unix"
    ? Deno.createHttpClient({ proxy: { transport: "unix", path: address.path } })
    : null;
  const url = `${tlsName === null ? "ws" : "wss"}://${origin.slice(origin.indexOf("://") + 3)}${target}`;
  const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  const headers = fields.filter(([name]) => !name.startsWith("sec-websocket-"));
  try {
    const application = new WebSocket(url, {
      headers: headers.map(([name, value]) => [name, value]),
      protocols: protocols.filter((name) => name !== ""),
      ...(client && { client }),
    });
    application.binaryType = "arraybuffer";
    return { application, close: () => client?.close() };
  } catch (cause) {
    client?.close();
    throw new HttpError(400, "The request for a WebSocket is malformed", { cause });
  }
}

/** Waits until the application has accepted. */
async function opened(application: WebSocket, { upstream, connectTimeout, signal }: WebSocketRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = () => reject(signal.reason);
  const late = () => reject(new HttpError(504, "The application did not answer in time"));
  const timer = setTimeout(late, connectTimeout);
  signal.addEventListener("abort", leave);
  application.onopen = () => resolve();
  application.onerror = (event) => {
    const reason = event instanceof ErrorEvent ? event.message.replace(/^.*failed to connect to WebSocket: /, "") : "";
    reject(refusedSocket(upstream, reason));
  };
  application.onclose = application.onerror;
  try {
    if (signal.aborted) leave();
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    application.onopen = application.onerror = application.onclose = null;
  }
}

/** Closes a WebSocket that is not needed after all. */
function discard(application: WebSocket): void {
  application.onerror = () => {};
  if (application.readyState <= WebSocket.OPEN) application.close();
}

/** Passes on the messages of one side, and its end; resolves at its end. */
function joined(from: WebSocket, to: WebSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  from.binaryType = "arraybuffer";
  let waiting: (string | ArrayBuffer)[] = []; // until the other side is open
  const send = (data: string | ArrayBuffer) => {
    if (to.readyState !== WebSocket.OPEN) return;
    to.send(data);
    if (to.bufferedAmount <= MAX_WAITING_BYTES) return;
    for (const side of [from, to]) closeWith(side, 1011, "The other side reads too slowly");
  };
  to.addEventListener("open", () => {
    waiting.forEach(send);
    waiting = [];
  });
  from.onmessage = ({ data }) => {
    if (to.readyState === WebSocket.CONNECTING) waiting.push(data);
    else send(data);
  };
  from.onerror = () => {}; // a close event follows
  from.onclose = ({ code, reason }) => {
    closeWith(to, UNCLEAN.includes(code) ? 1011 : code, reason);
    resolve();
  };
  return promise;
}

/** Clients of the API may only send 1000 and 3000 to 4999: others reach applications as 1000. */
function closeWith(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState >= WebSocket.CLOSING) return;
  if (code === NO_STATUS) return socket.close();
  try {
    socket.close(code, reason);
  } catch {
    socket.close(1000, reason);
  }
}
