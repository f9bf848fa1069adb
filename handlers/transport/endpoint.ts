/**
 * Where a server listens.
 *
 * @module
 */

import { removeIfSame } from "./socket_file.ts";

/**
 * Where a server listens.
 *
 * @category Server
 */
export type Endpoint =
  /** A TCP port. */
  | {
    readonly kind: "tcp";
    /** The address or name to bind: `0.0.0.0` is all IPv4 addresses, `::` all of IPv6 and IPv4. */
    readonly hostname: string;
    /** The port; 0 for any free port. */
    readonly port: number;
  }
  /** A Unix socket. Plain HTTP only. */
  | {
    readonly kind: "unix";
    /**
     * The path of the socket, at most 107 bytes. It must not exist; see {@linkcode removeStaleSocket}. Removed at the
     * end; if it has been replaced, the new file is kept, unless Deno's permissions for reading, writing and the
     * network are limited to this path.
     */
    readonly path: string;
    /** Its permissions: write access to the socket allows connecting. Defaults to `0o660`, owner and group. */
    readonly mode?: number;
  }
  /**
   * A listening socket opened by the parent process, such as systemd (`LISTEN_FDS`). It stays open for the next
   * process, so that a restart does not refuse connections. Requires Linux and `--allow-ffi`.
   */
  | {
    readonly kind: "inherited";
    /** The number of the descriptor; systemd's first is 3. */
    readonly fd: number;
  };

/** An endpoint of one kind. */
export type TcpEndpoint = Extract<Endpoint, { kind: "tcp" }>;
/** An endpoint of one kind. */
export type UnixEndpoint = Extract<Endpoint, { kind: "unix" }>;
/** An endpoint of one kind. */
export type InheritedEndpoint = Extract<Endpoint, { kind: "inherited" }>;

/** The address of a server. */
export type ServerAddr = Deno.NetAddr | Deno.UnixAddr;

/** The endpoint given in the options: `hostname` and `port` are short for a TCP endpoint. */
export function endpointOf(
  { endpoint, hostname = "0.0.0.0", port = 8000 }: { endpoint?: Endpoint; hostname?: string; port?: number },
): Endpoint {
  return endpoint ?? { kind: "tcp", hostname, port };
}

/**
 * Removes the socket file of a server that was killed, if nothing listens on it any more. Leaves a socket in use alone,
 * so that listening there fails with `AddrInUse`.
 *
 * @throws {Deno.errors.AlreadyExists} If the path is not a socket.
 *
 * @example
 * ```ts
 * import { serve, toFetch } from "@x/pyserve";
 * import { removeStaleSocket } from "@x/pyserve/handlers";
 *
 * const directory = await Deno.makeTempDir();
 * const path = `${directory}/site.sock`;
 * await removeStaleSocket(path);
 * const server = serve(toFetch(() => new Response("hello")), { endpoint: { kind: "unix", path } });
 * await server.drain(); // removes the socket
 * await Deno.remove(directory);
 * ```
 */
export async function removeStaleSocket(path: string): Promise<void> {
  try {
    const seen = Deno.lstatSync(path);
    if (!seen.isSocket) throw new Deno.errors.AlreadyExists(`"${path}" is not a socket`);
    if (!await isInUse(path)) removeIfSame(path, seen);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // removed in the meantime
  }
}

async function isInUse(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

/** The error for an endpoint that is in use: the system's does not say what is. */
export function inUse(cause: Error, endpoint: Endpoint): Error {
  if (endpoint.kind === "inherited") return cause;
  const what = endpoint.kind === "unix" ? `"unix:${endpoint.path}"` : `port ${endpoint.port} of ${endpoint.hostname}`;
  return new Deno.errors.AddrInUse(`Cannot listen on ${what}: it is in use`, { cause });
}
