/**
 * HTTPS without certificate files, for programs.
 *
 * @module
 */

import { inDirectory, inMemory } from "../certificates/keeping.ts";
import type { Logger } from "../core/types.ts";
import type { Certificates } from "./certificates.ts";
import { LocalCertificates } from "./local_certificates.ts";
import { localNames } from "./local_names.ts";

/** Options of {@linkcode localTls}. */
export interface LocalTlsOptions {
  /**
   * The directory of the authority, which is created with mode 0700. Without one, the authority ends with the process, and
   * clients have to install the next one again.
   */
  readonly directory?: string;
  /** The address or name to listen on; defaults to `0.0.0.0`. The certificate is valid for it, or for all own addresses. */
  readonly hostname?: string;
  /** Host names besides `localhost` and, with `--allow-sys`, those of the machine. */
  readonly hosts?: readonly string[];
  /** Takes a line for each new certificate, and for failures; none by default. */
  readonly log?: Logger;
}

/** A certificate that is renewed until it is disposed of. */
export interface LocalTls extends Disposable {
  /** For the `tls` option of `serve`. */
  readonly certificates: Certificates;
  /** The certificate of the authority, PEM: what clients install. */
  readonly authority: string;
  /** The SHA-256 fingerprint of the authority (`AB:CD:...`), to compare when installing it. */
  readonly fingerprint: string;
}

/**
 * Makes a certificate for this machine, signed by an authority of its own, or takes those that are kept in a directory.
 *
 * The authority is constrained (RFC 5280 section 4.2.1.10) to names and addresses of this machine and to addresses of local
 * networks: clients that install it trust no other site for it, even if its key leaks. The authority is valid for ten years,
 * a certificate for 90 days; it is renewed 30 days before the end, and when the machine has a new address, without dropping
 * connections (on Linux with `--allow-ffi`).
 *
 * @throws {TypeError} If the directory or a file in it belongs to another user, or others can write to or read it.
 * @throws Deno.errors.PermissionDenied and other system errors if the directory cannot be used.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, serve, toFetch } from "@x/pyserve";
 * import { localTls } from "@x/pyserve/handlers";
 *
 * using tls = await localTls({ hostname: "127.0.0.1" });
 * const fetchFile = toFetch(files(memory({ "a.txt": "hello" })));
 * const server = serve(fetchFile, { hostname: "127.0.0.1", port: 0, tls: tls.certificates });
 * using client = Deno.createHttpClient({ caCerts: [tls.authority] });
 * const response = await fetch(`https://localhost:${server.address.port}/a.txt`, { client });
 * assert(await response.text() === "hello");
 * await server.drain();
 * ```
 */
export async function localTls(options: LocalTlsOptions = {}): Promise<LocalTls> {
  const { directory, hostname = "0.0.0.0", hosts = [], log = null } = options;
  const local = await LocalCertificates.open({
    keeping: directory === undefined ? inMemory() : await inDirectory(directory),
    names: () => localNames({ kind: "tcp", hostname, port: 0 }, hosts),
    log,
  });
  return {
    certificates: local.certificates,
    get authority() {
      return local.current.authority;
    },
    get fingerprint() {
      return local.current.fingerprint;
    },
    [Symbol.dispose]: () => local[Symbol.dispose](),
  };
}
