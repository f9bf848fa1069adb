/**
 * Where a server listens.
 *
 * @module
 */

/** Where a server listens. */
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
    /** The path of the socket, at most 107 bytes. It must not exist; see {@linkcode removeStaleSocket}. */
    readonly path: string;
    /** Its permissions: who may write to the socket may connect. Defaults to `0o660`, owner and group. */
    readonly mode?: number;
  }
  /**
   * A listening socket that the parent process has opened, as systemd does (`LISTEN_FDS`). It stays open for the next
   * process, so that a restart refuses no connection. Linux only, and with `--allow-ffi`.
   */
  | {
    readonly kind: "inherited";
    /** The number of the descriptor; the first one of systemd is 3. */
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

/** The endpoint that options name: `hostname` and `port` are short for a TCP endpoint. */
export function endpointOf(
  { endpoint, hostname = "0.0.0.0", port = 8000 }: { endpoint?: Endpoint; hostname?: string; port?: number },
): Endpoint {
  return endpoint ?? { kind: "tcp", hostname, port };
}

/**
 * Removes the socket file that a server has left behind which was killed: one to which nothing listens any more. Leaves
 * a socket in use alone, so that listening there fails with `AddrInUse`.
 *
 * @throws {Deno.errors.AlreadyExists} if the path is something else than a socket.
 *
 * @example
 * ```ts
 * import { serve, toFetch } from "@x/pyserve";
 * import { removeStaleSocket } from "@x/pyserve/handlers";
 *
 * const path = `${Deno.makeTempDirSync()}/site.sock`;
 * await removeStaleSocket(path);
 * const server = serve(toFetch(() => new Response("hello")), { endpoint: { kind: "unix", path } });
 * await server.drain(); // removes the socket
 * ```
 */
export async function removeStaleSocket(path: string): Promise<void> {
  try {
    if (!Deno.lstatSync(path).isSocket) throw new Deno.errors.AlreadyExists(`"${path}" is not a socket`);
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    Deno.removeSync(path);
  }
}
