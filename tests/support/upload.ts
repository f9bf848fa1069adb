/** Requests that write, on their own sockets, and the files on disk afterwards. */

import { join } from "@std/path/join";
import { bytesOf, joined } from "./bytes.ts";
import { latin1, raw, type RawResponse } from "./raw.ts";

/** A request with content: an array of names and values, and bytes or text. */
export interface Sent {
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
}

/** The head of a request, with Content-Length where there is content. */
export function headOf(method: string, target: string, { headers = [], body }: Sent, close = true): string {
  const length = body === undefined ? [] : [`Content-Length: ${bytesOf(body).length}`];
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  const end = close ? ["Connection: close"] : [];
  return [`${method} ${target} HTTP/1.1`, "Host: localhost", ...length, ...lines, ...end, "", ""].join("\r\n");
}

/** Sends a request and reads the whole answer. */
export function send(port: number, method: string, target: string, sent: Sent = {}): Promise<RawResponse> {
  return raw(port, joined([latin1(headOf(method, target, sent)), bytesOf(sent.body ?? "")]));
}

/** A connection with the beginning of a request: the head, and some of its content. */
export async function beginRequest(port: number, head: string, content: string | Uint8Array): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = joined([latin1(head), bytesOf(content)]);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  return connection;
}

/** All names below a directory, hidden ones too, sorted. */
export async function namesBelow(directory: string, above = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(directory, above))) {
    const path = above === "" ? name : `${above}/${name}`;
    names.push(isDirectory ? `${path}/` : path);
    if (isDirectory) names.push(...await namesBelow(directory, path));
  }
  return names.sort();
}

/** The value of Content-Digest for bytes. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `sha-256=:${new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toBase64()}:`;
}

/** A form as a browser writes it: each part with its disposition, and content. */
export function form(...parts: readonly (readonly [disposition: string, content: string])[]): Sent {
  const lines = parts.map(([disposition, content]) =>
    `--XyZ\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`
  );
  return { headers: [["Content-Type", "multipart/form-data; boundary=XyZ"]], body: `${lines.join("")}--XyZ--\r\n` };
}

/** The same with other headers. */
export function withHeaders(sent: Sent, ...headers: readonly (readonly [string, string])[]): Sent {
  return { ...sent, headers: [...sent.headers ?? [], ...headers] };
}

/** Mounts over a directory until the end of the block; null, with a message, if that is not permitted. */
export async function mount(args: readonly string[], path: string): Promise<AsyncDisposable | null> {
  const run = (program: string, words: readonly string[]) =>
    new Deno.Command(program, { args: [...words], stdout: "null", stderr: "null" }).output().catch(() => null);
  if ((await run("mount", [...args, path]))?.success) {
    return { [Symbol.asyncDispose]: async () => void await run("umount", ["-l", path]) };
  }
  skipped(`mount ${args.join(" ")} is not possible here`);
  return null;
}

/** Prints why a test is skipped. */
export function skipped(why: string): void {
  // deno-lint-ignore no-console
  console.log(`      skipped: ${why}`);
}
