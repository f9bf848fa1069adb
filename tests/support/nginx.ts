/** nginx, in front of a server or behind one. */

/** A running nginx. */
export type Nginx = { readonly url: string; readonly port: number } & AsyncDisposable;

/** A proxy in front of a port that strips `/files`, until the end of the block. */
export async function nginx(directory: string, port: number): Promise<Nginx> {
  const one = await startNginx(
    directory,
    `merge_slashes off; location /files/ { proxy_pass http://127.0.0.1:${port}/; }`,
  );
  return { ...one, url: `${one.url}/files`, [Symbol.asyncDispose]: one[Symbol.asyncDispose] };
}

/** nginx with these directives of its only server, and of `http`; its directory gets the configuration and what it writes. */
export async function startNginx(directory: string, server: string, http = ""): Promise<Nginx> {
  const own = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = own.addr;
  own.close();
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path ${directory}/${name};`
  );
  const configuration =
    `daemon off; master_process off; pid ${directory}/pid; error_log stderr; worker_processes 1; events {}
http { access_log off; ${places.join(" ")} ${http}
 server { listen 127.0.0.1:${port}; ${server} } }`;
  await Deno.writeTextFile(`${directory}/nginx.conf`, configuration);
  const process = new Deno.Command("nginx", { args: ["-c", `${directory}/nginx.conf`], stderr: "null" }).spawn();
  let isRunning = true;
  const end = async () => {
    if (isRunning) process.kill("SIGTERM");
    isRunning = false;
    await process.status;
  };
  const deadline = performance.now() + 10_000; // nginx does not report when it listens
  for (;;) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
    conn?.close();
    if (conn !== null) return { url: `http://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: end };
    if (performance.now() > deadline) {
      await end();
      throw new Error("nginx does not listen");
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
