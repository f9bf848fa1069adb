/** Clients that send targets as they are, over HTTP/1 and HTTP/2. */

import { connect } from "node:http2";
import { latin1 } from "../support/raw.ts";
import type { Answer } from "./matrix_model.ts";

/** A client of one server. */
export interface Client extends AsyncDisposable {
  /** Sends a request with header lines (`Name: value`). */
  ask(method: string, target: string, lines: readonly string[], body?: string): Promise<Answer>;
}

/** A client over HTTP/1.1 that keeps its connections. */
export function connectionsTo(port: number): Client {
  const idle: Connection[] = [];
  return {
    async ask(method, target, lines, body) {
      const connection = idle.pop() ?? new Connection(await Deno.connect({ hostname: "127.0.0.1", port }));
      const { answer, isOpen } = await connection.ask(method, target, lines, body);
      if (isOpen) idle.push(connection);
      else connection.close();
      return answer;
    },
    [Symbol.asyncDispose]() {
      for (const connection of idle) connection.close();
      return Promise.resolve();
    },
  };
}

class Connection {
  readonly #connection: Deno.Conn;
  #buffer = new Uint8Array();

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  close(): void {
    this.#connection.close();
  }

  async ask(
    method: string,
    target: string,
    lines: readonly string[],
    body?: string,
  ): Promise<{ answer: Answer; isOpen: boolean }> {
    const length = body === undefined ? [] : [`Content-Length: ${body.length}`];
    const head = [`${method} ${target} HTTP/1.1`, "Host: localhost", ...lines, ...length, "", ""].join("\r\n");
    const bytes = latin1(head + (body ?? ""));
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    return await this.#answer(method);
  }

  async #answer(method: string): Promise<{ answer: Answer; isOpen: boolean }> {
    const text = await this.#head();
    const [first = "", ...head] = text.split("\r\n");
    const [, version, code] = /^HTTP\/(1\.[01]) (\d{3})/.exec(first) ?? [];
    const status = Number(code);
    if (status < 200) return await this.#answer(method);
    const field = (name: string) => {
      return head.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim() ?? null;
    };
    const isOpen = version === "1.1" && field("connection") !== "close";
    const hasBody = method !== "HEAD" && status !== 204 && status !== 304;
    const body = hasBody ? await this.#body(field("content-length"), field("transfer-encoding")) : "";
    return { answer: { status, head, body }, isOpen };
  }

  async #head(): Promise<string> {
    for (let from = 0;;) {
      const text = decode(this.#buffer);
      const end = text.indexOf("\r\n\r\n", from);
      if (end >= 0) {
        this.#buffer = this.#buffer.subarray(end + 4);
        return text.slice(0, end);
      }
      from = Math.max(0, text.length - 3);
      if (!await this.#more()) throw new Error(`The connection ended: ${text}`);
    }
  }

  async #body(length: string | null, coding: string | null): Promise<string> {
    if (coding === "chunked") return await this.#chunks();
    if (length !== null) return await this.#take(Number(length));
    while (await this.#more());
    return await this.#take(this.#buffer.length);
  }

  async #chunks(): Promise<string> {
    let all = "";
    for (;;) {
      while (!decode(this.#buffer).includes("\r\n")) await this.#more();
      const line = decode(this.#buffer).split("\r\n")[0]!;
      await this.#take(line.length + 2);
      const size = parseInt(line, 16);
      all += await this.#take(size);
      await this.#take(2);
      if (size === 0) return all;
    }
  }

  async #take(count: number): Promise<string> {
    while (this.#buffer.length < count) if (!await this.#more()) throw new Error("The body is truncated");
    const text = decode(this.#buffer.subarray(0, count));
    this.#buffer = this.#buffer.subarray(count);
    return text;
  }

  async #more(): Promise<boolean> {
    const bytes = new Uint8Array(65_536);
    const count = await this.#connection.read(bytes);
    if (count === null) return false;
    const all = new Uint8Array(this.#buffer.length + count);
    all.set(this.#buffer);
    all.set(bytes.subarray(0, count), this.#buffer.length);
    this.#buffer = all;
    return true;
  }
}

/** One character a byte: archives are not text. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** A client over HTTP/2. */
export function http2To(port: number, certificate: string): Client {
  const session = connect(`https://127.0.0.1:${port}`, { ca: certificate, servername: "localhost" });
  session.on("error", () => {}); // also an error of each request
  return {
    ask(method, target, lines, body) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const fields = lines.map((
        line,
      ) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.replace(/^[^:]*: /, "")]);
      const path = target.replace(/^http:\/\/localhost/, "");
      const stream = session.request({
        ...{ ":method": method, ":path": path, ":authority": "localhost", ":scheme": "https" },
        ...Object.fromEntries(fields),
      }, { endStream: body === undefined });
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      let [status, head]: [number, string[]] = [0, []];
      stream.on("response", ({ ":status": code, ...headers }) => {
        status = Number(code);
        head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      });
      stream.on("data", (chunk: Uint8Array<ArrayBuffer>) => chunks.push(chunk));
      stream.on("end", () => {
        new Blob(chunks).bytes().then((bytes) => resolve({ status, head, body: decode(bytes) }), reject);
      });
      stream.on("error", reject);
      if (body !== undefined) stream.end(latin1(body));
      return promise;
    },
    [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<void>();
      session.close(resolve);
      return promise;
    },
  };
}
