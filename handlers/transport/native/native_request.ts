/**
 * The `Request` of the native transport: most of it is only made if a handler asks for it.
 *
 * It has the prototype of `Request`, and whatever it does not answer itself is left to a real one, made on demand: its
 * private properties, too, so that the runtime's functions accept it as they accept those of Deno.serve.
 *
 * @module
 */

import { RECEIVED_FIELDS } from "../../core/request_head.ts";
import type { Field } from "../../http1/header_fields.ts";

/** What a request consists of; everything but method and fields is made on demand. */
export interface RequestParts {
  readonly method: string;
  readonly fields: readonly Field[];
  /** The URL, unvalidated. */
  readonly url: string;
  /** The body, for methods whose requests have one. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
}

/** Methods whose content has no defined meaning (RFC 9110 section 9.3.1), and which handlers do not see. */
const BODILESS: readonly string[] = ["GET", "HEAD", "CONNECT"];

/** A request that is made of its parts on demand. */
class LazyRequest {
  readonly #parts: RequestParts;
  #url: string | undefined;
  #headers: Headers | undefined;
  #real: Request | undefined;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  get [RECEIVED_FIELDS](): readonly Field[] {
    return this.#parts.fields;
  }

  get method(): string {
    return this.#parts.method;
  }

  get url(): string {
    return this.#url ??= this.#parts.url;
  }

  get headers(): Headers {
    return this.#headers ??= new Headers(this.#parts.fields as [string, string][]);
  }

  get signal(): AbortSignal {
    return this.#parts.signal;
  }

  get #hasBody(): boolean {
    return !BODILESS.includes(this.#parts.method);
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.#hasBody ? this.real.body : null;
  }

  get bodyUsed(): boolean {
    return this.#real?.bodyUsed ?? false;
  }

  clone(): Request {
    return this.#named(this.real.clone());
  }

  /** A real request. */
  get real(): Request {
    return this.#real ??= this.#named(this.#make());
  }

  /** Its constructor refuses some methods, and changes others and URLs: then it has placeholders for them. */
  #make(): Request {
    const { method, signal } = this.#parts;
    const hasBody = this.#hasBody;
    const init = { headers: this.headers, body: hasBody ? this.#parts.body : null, signal };
    try {
      return new Request(this.url, { method, ...init });
    } catch {
      return new Request("http://localhost/", { method: hasBody ? "POST" : "GET", ...init });
    }
  }

  /** Method, URL and signal as they are. */
  #named(request: Request): Request {
    return Object.defineProperties(request, {
      url: { value: this.url },
      method: { value: this.method },
      signal: { get: () => this.signal },
    });
  }
}

/** Makes a request. */
export function nativeRequest(parts: RequestParts): Request {
  return new LazyRequest(parts) as unknown as Request;
}

Object.setPrototypeOf(LazyRequest.prototype, Request.prototype);
Object.setPrototypeOf(LazyRequest, Request);
passOn();

/** Lets the real request answer for everything else. */
function passOn(): void {
  const own = new Set<string | symbol>(Reflect.ownKeys(LazyRequest.prototype));
  const { prototype } = LazyRequest;
  for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))) {
    if (own.has(name)) continue;
    if (get) Object.defineProperty(prototype, name, getter((real) => real[name]));
    else if (typeof value === "function") {
      const method = function (this: LazyRequest, ...words: unknown[]) {
        return (value as (...words: unknown[]) => unknown).apply(this.real, words);
      };
      Object.defineProperty(prototype, name, { value: method, configurable: true, writable: true });
    }
  }
  for (const symbol of Object.getOwnPropertySymbols(new Request("http://localhost/"))) {
    Object.defineProperty(prototype, symbol, getter((real) => real[symbol]));
  }
}

function getter(get: (real: Record<string | symbol, unknown>) => unknown): PropertyDescriptor {
  return {
    configurable: true,
    get(this: LazyRequest) {
      return get(this.real as unknown as Record<string | symbol, unknown>);
    },
  };
}
