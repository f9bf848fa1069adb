/** A client of Unix sockets. */

/** The answer of a server to `GET target`, with its headers, over HTTP/1.1 or what it speaks. */
export async function askUnix(path: string, target: string, ...options: string[]): Promise<string> {
  const args = ["-sS", "-i", "--max-time", "20", "--unix-socket", path, ...options, `http://localhost${target}`];
  const { stdout, stderr } = await new Deno.Command("curl", { args }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}
