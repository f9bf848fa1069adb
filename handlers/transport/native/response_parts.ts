/**
 * Takes a `Response` apart.
 *
 * The public way sorts and copies all headers, and makes a stream of a body that is a buffer. So both are taken from
 * where the runtime keeps them, if they are found there; otherwise the public way gives the same result.
 *
 * @module
 */

/** A name and a value. */
export type Field = readonly [name: string, value: string];

/** The parts of a response. */
export interface ResponseParts {
  readonly status: number;
  readonly fields: Iterable<Field>;
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
}

/** The runtime's own property of responses. */
const INNER = Object.getOwnPropertySymbols(new Response(null)).find(({ description }) => description === "response");

/** What it refers to. */
interface Inner {
  readonly headerList?: unknown;
  readonly body?: { readonly streamOrStatic?: Static | ReadableStream } | null;
}

/** A body in memory. */
interface Static {
  readonly body: unknown;
  readonly consumed: boolean;
}

const encoder = new TextEncoder();

/**
 * Takes a response, whose body cannot be read again.
 *
 * @throws TypeError if it is no response, its status is not that of a final response, or its body has been read.
 */
export function partsOf(response: Response): ResponseParts {
  if (!(response instanceof Response)) {
    throw new TypeError("The fetch function returned something else than a Response");
  }
  if (response.bodyUsed) throw new TypeError("The body of the response has already been read");
  if (response.status < 200) throw new TypeError(`Cannot send a response with the status ${response.status}`);
  const { status, headers } = response; // reading them completes what the runtime has postponed
  const inner = INNER && (response as unknown as Readonly<Record<symbol, Inner | undefined>>)[INNER];
  if (inner === undefined || !Array.isArray(inner.headerList)) return { status, fields: headers, body: response.body };
  const bytes = inner.body === null ? null : staticBytes(inner.body?.streamOrStatic);
  return { status, fields: inner.headerList as Field[], body: bytes === undefined ? response.body : bytes };
}

/** The bytes of a body in memory; undefined for a stream. */
function staticBytes(content: Static | ReadableStream | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (content === undefined || content instanceof ReadableStream || content.consumed !== false) return undefined;
  const { body } = content;
  if (typeof body === "string") return encoder.encode(body);
  return body instanceof Uint8Array ? body as Uint8Array<ArrayBuffer> : undefined;
}
