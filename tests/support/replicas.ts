/** Several processes that serve the same directory with the same state, behind nginx. */

import { type RunningCommand, start } from "./command.ts";
import { startNginx } from "./nginx.ts";
import { freePort } from "./port.ts";
import { tempTree } from "./tree.ts";

/** Replicas of a server, which get the requests in turn: no client stays with one. */
export interface Replicas extends AsyncDisposable {
  /** Where nginx listens. */
  readonly url: string;
  readonly port: number;
  /** Kills one without warning, and waits until it has ended. */
  kill(index: number): Promise<void>;
  /** Starts one that has been killed, or that has not been started so far. */
  start(index: number): Promise<void>;
}

/**
 * Starts replicas.
 *
 * @param args The arguments of each, without the port.
 * @param options.spare How many more nginx knows, which are not started. It asks another one instead.
 */
export async function startReplicas(
  args: readonly string[],
  { count = 3, spare = 0, env }: { count?: number; spare?: number; env?: Record<string, string> } = {},
): Promise<Replicas> {
  const ports = Array.from({ length: count + spare }, freePort);
  const running = new Map<number, RunningCommand>();
  const startOne = async (index: number) => {
    const server = await start([...args, `--port=${ports[index]}`, "--trusted-proxy", "127.0.0.1"], {
      ...env && { env },
    });
    running.set(index, server);
  };
  const kill = async (index: number) => {
    await running.get(index)?.stop("SIGKILL");
    running.delete(index);
  };
  const tree = await tempTree();
  await Promise.all(Array.from({ length: count }, (_, index) => startOne(index)));
  // Connections are not kept: the request after a kill would get an answer of nginx, not of another replica.
  const servers = ports.map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=1s;`).join(" ");
  const proxy = await startNginx(
    tree.path,
    `client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1;
     proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
     location / { proxy_pass http://replicas; }`,
    `upstream replicas { ${servers} }`,
  );
  return {
    url: proxy.url,
    port: proxy.port,
    kill,
    start: startOne,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      for (const server of running.values()) await server.stop();
      await tree[Symbol.asyncDispose]();
    },
  };
}
