/**
 * A server with TLS, or without, that tells each client which options the socket of its connection has.
 *
 * Usage: options_server.ts [CERTIFICATE KEY], with the descriptor of an inherited socket in FD. It exchanges the
 * certificate when asked for /exchange, and the key for that in the file OTHER_KEY where it would log an error.
 */

import { Certificates, type Endpoint, serve } from "@x/pyserve";
import { openSockets } from "../../handlers/system/sockets.ts";

const [cert, key] = Deno.args;
const [SOL_SOCKET, TCP] = [1, 6];
const libc = Deno.dlopen("libc.so.6", {
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
});
const own = openSockets()!;
const log = {
  access() {},
  error(message: string) {
    Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`));
    const otherKey = Deno.env.get("OTHER_KEY");
    if (otherKey) certificates!.replace({ ...certificates!.current(), key: Deno.readTextFileSync(otherKey) });
  },
};

const certificates = cert && key
  ? new Certificates({ cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) })
  : null;
const fd = Deno.env.get("FD");
const endpoint: Endpoint = fd === undefined
  ? { kind: "tcp", hostname: "127.0.0.1", port: 0 }
  : { kind: "inherited", fd: Number(fd) };

const server = serve((request, info) => {
  if (request.url.endsWith("/exchange")) certificates!.replace(certificates!.current());
  const { port } = info!.remoteAddr as Deno.NetAddr;
  const connection = own.connections(address.port).find(({ peerPort }) => peerPort === port)!;
  const option = (name: number, level = TCP) => {
    const value = new Uint32Array(1);
    libc.symbols.getsockopt(connection.descriptor, level, name, new Uint8Array(value.buffer), new Uint32Array([4]));
    return value[0];
  };
  const keepAlive = option(9, SOL_SOCKET);
  return Response.json({ noDelay: option(1), userTimeout: option(18), keepAlive, keepIdle: option(4) });
}, {
  endpoint,
  log,
  ...(certificates && { tls: certificates }),
});
const address = server.address as Deno.NetAddr;
Deno.stdout.writeSync(new TextEncoder().encode(`Serving HTTP on 127.0.0.1 port ${address.port}\n`));
