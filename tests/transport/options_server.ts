/**
 * A server with TLS, or without, that tells each client which options the socket of its connection has.
 *
 * Usage: options_server.ts [CERTIFICATE KEY]
 */

import { serve } from "@x/pyserve";
import { openSockets } from "../../handlers/system/sockets.ts";

const [cert, key] = Deno.args;
const [SOL_SOCKET, TCP] = [1, 6];
const libc = Deno.dlopen("libc.so.6", {
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
});
const own = openSockets()!;
const log = {
  access() {},
  error: (message: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`)),
};

const server = serve((_request, info) => {
  const { port } = info!.remoteAddr as Deno.NetAddr;
  const connection = own.connections(server.address.port).find(({ peerPort }) => peerPort === port)!;
  const option = (name: number, level = TCP) => {
    const value = new Uint32Array(1);
    libc.symbols.getsockopt(connection.descriptor, level, name, new Uint8Array(value.buffer), new Uint32Array([4]));
    return value[0];
  };
  const keepAlive = option(9, SOL_SOCKET);
  return Response.json({ noDelay: option(1), userTimeout: option(18), keepAlive, keepIdle: option(4) });
}, {
  hostname: "127.0.0.1",
  port: 0,
  log,
  ...(cert && key && { tls: { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) } }),
});
Deno.stdout.writeSync(new TextEncoder().encode(`Serving HTTP on 127.0.0.1 port ${server.address.port}\n`));
