/** nginx in front of a server. */

/** A proxy in front of a port that strips `/files`, until the end of the block. */
export async function nginx(directory: string, port: number): Promise<{ readonly url: string } & AsyncDisposable> {
  const own = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listen = own.addr.port;
  own.close();
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path ${directory}/${name};`
  );
  const configuration =
    `daemon off; master_process off; pid ${directory}/pid; error_log stderr; worker_processes 1; events {}
http { access_log off; ${places.join(" ")}
 server { listen 127.0.0.1:${listen}; merge_slashes off; location /files/ { proxy_pass http://127.0.0.1:${port}/; } } }`;
  await Deno.writeTextFile(`${directory}/nginx.conf`, configuration);
  const process = new Deno.Command("nginx", { args: ["-c", `${directory}/nginx.conf`], stderr: "null" }).spawn();
  const url = `http://127.0.0.1:${listen}/files`;
  const end = async () => {
    process.kill("SIGTERM");
    await process.status;
  };
  const deadline = performance.now() + 10_000; // nginx does not report when it listens
  for (;;) {
    const answer = await fetch(`${url}/`).catch(() => null);
    await answer?.body?.cancel();
    if (answer !== null) return { url, [Symbol.asyncDispose]: end };
    if (performance.now() > deadline) {
      await end();
      throw new Error("nginx does not listen");
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
