/**
 * Measures pyserve against `python3 -m http.server` from another process, in turns: requests per second by `wrk`, for one
 * small file. Figures are ratios; a machine's own speed says nothing.
 */

const ROUNDS = 5;
const SECONDS = 2;

interface Peer {
  readonly name: string;
  readonly command: readonly string[];
  readonly port: number;
}

const site = await Deno.makeTempDir();
await Deno.writeFile(`${site}/1k.txt`, new Uint8Array(1024).fill(97));
const cli = new URL("../cli.ts", import.meta.url).href;
const peers: readonly Peer[] = [
  {
    name: "pyserve",
    port: 8901,
    command: [Deno.execPath(), "run", "-A", cli, site, "8901", "-b", "127.0.0.1", "--quiet"],
  },
  { name: "python", port: 8902, command: ["python3", "-m", "http.server", "8902", "-b", "127.0.0.1", "-d", site] },
];

const servers = peers.map(({ command: [program, ...args] }) => {
  return new Deno.Command(program!, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
});
try {
  for (const { port } of peers) await untilListening(port);
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [ours, theirs] = [await requestsPerSecond(peers[0]!.port), await requestsPerSecond(peers[1]!.port)];
    ratios.push(ours / theirs);
    print(`round ${round + 1}: pyserve ${Math.round(ours)}, python ${Math.round(theirs)} requests/s`);
  }
  ratios.sort((a, b) => a - b);
  const [min, median, max] = [ratios[0]!, ratios[ROUNDS >> 1]!, ratios.at(-1)!].map((ratio) => ratio.toFixed(1));
  print(`pyserve / python: ${min} / ${median} / ${max} (min / median / max)`);
} finally {
  for (const server of servers) server.kill("SIGTERM");
  await Promise.all(servers.map((server) => server.status));
  await Deno.remove(site, { recursive: true });
}

async function requestsPerSecond(port: number): Promise<number> {
  const args = ["-t1", "-c16", `-d${SECONDS}s`, `http://127.0.0.1:${port}/1k.txt`];
  const { stdout } = await new Deno.Command("wrk", { args }).output();
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(new TextDecoder().decode(stdout))![1]);
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function print(line: string): void {
  // deno-lint-ignore no-console
  console.log(line);
}
