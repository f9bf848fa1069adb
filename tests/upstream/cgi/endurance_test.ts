/** Whatever programs and clients do, nothing leaks: processes, descriptors, temporary files, slots. */

import { assertEquals } from "@std/assert";
import { ask } from "../../support/raw.ts";
import { type CgiSite, cgiSite } from "./support.ts";
import { until } from "../../support/wait.ts";
import { seeded } from "../../support/random.ts";

const REQUESTS = 200;
const AT_ONCE = 16;

const TYPE = "printf 'Content-Type: text/plain\\n\\n'";

function sh(script: string): string {
  return `#!/bin/sh\n${script}\n`;
}

const PROGRAMS: Readonly<Record<string, string>> = {
  answers: sh(`${TYPE}; echo ok`),
  echoes: sh(`${TYPE}; cat`),
  silent: sh("sleep 600"),
  stuck: sh(`${TYPE}; echo half; sleep 600`),
  endless: sh(`${TYPE}; exec yes`),
  stubborn: sh("trap '' TERM; sleep 600"),
  lingers: sh(`${TYPE}; exec >&- 2>&-; sleep 600`),
  daemon: sh(`${TYPE}; sleep 2 & echo started`),
  crashes: sh("echo reason >&2; exit 3"),
  garbage: sh("echo hello; sleep 600"),
  killed: sh(`${TYPE}; kill -9 $$`),
  onward: sh("printf 'Location: /cgi-bin/answers\\n\\n'"),
  "to-file": sh("printf 'Location: /a.txt\\n\\n'; sleep 600"),
  circle: sh("printf 'Location: /cgi-bin/circle\\n\\n'"),
  short: sh("printf 'Content-Length: 100\\n\\nshort'"),
  nothing: sh("printf 'Status: 304\\n\\n'; exec yes"),
  floods: sh(`yes reason | head -c 300000 >&2; ${TYPE}`),
};

/** What a client does after its request. */
const MANNERS = ["reads", "reads", "leaves at once", "leaves soon", "leaves late", "sends half its body"] as const;

interface Visit {
  readonly method: string;
  readonly path: string;
  readonly manner: typeof MANNERS[number];
  /** Bytes of body; over 1 MiB, they go into a temporary file. */
  readonly length: number;
}

function visitOf(random: () => number): Visit {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)]!;
  const method = pick(["GET", "GET", "HEAD", "POST"]);
  const path = `/cgi-bin/${pick([...Object.keys(PROGRAMS), "absent", "not-executable", "no-interpreter"])}`;
  return { method, path, manner: pick(MANNERS), length: method === "POST" ? pick([0, 10, 100_000, 1_500_000]) : 0 };
}

const LONGEST_STAY = { "leaves at once": 0, "leaves soon": 60, "leaves late": 400 } as const;

async function pay({ method, path, manner, length }: Visit, port: number, random: () => number): Promise<void> {
  const stay = manner in LONGEST_STAY ? random() * LONGEST_STAY[manner as keyof typeof LONGEST_STAY] : 1000;
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const announced = method === "POST" ? `Content-Length: ${length}\r\n` : "";
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${announced}\r\n`;
  try {
    await writeAll(connection, new TextEncoder().encode(head));
    await writeAll(connection, new Uint8Array(manner === "sends half its body" ? length >> 1 : length));
    if (manner === "sends half its body" && length > 0) return;
    await read(connection, stay);
  } catch {
    // The server may disconnect.
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads to the end, for a number of milliseconds at most. */
async function read(connection: Deno.Conn, stay: number): Promise<void> {
  const gone = Promise.withResolvers<null>();
  const timer = setTimeout(() => gone.resolve(null), stay);
  const buffer = new Uint8Array(65_536);
  try {
    while (await Promise.race([connection.read(buffer), gone.promise]) !== null);
  } finally {
    clearTimeout(timer);
  }
}

/** The resources of the server that requests use, including running programs and zombies. */
async function held({ command }: CgiSite): Promise<{ programs: string[]; files: string[] }> {
  const { pid } = command.process;
  const programs: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (/^\d+$/.test(name) && await parentOf(name) === pid) programs.push(name);
  }
  const files: string[] = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    if (/^pipe:|\(deleted\)$|pyserve-[^/]*$/.test(target)) files.push(target);
  }
  return { programs, files: files.sort() };
}

async function parentOf(pid: string): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

Deno.test({
  name: `after ${REQUESTS} random requests of random clients nothing has leaked`,
  ignore: Deno.build.os !== "linux",
  async fn() {
    const files = Object.fromEntries(Object.entries(PROGRAMS).map(([name, text]) => [`cgi-bin/${name}`, text]));
    const broken = { "cgi-bin/not-executable": "", "cgi-bin/no-interpreter": "#!/no/such/interpreter\n" };
    await using site = await cgiSite({ ...files, ...broken, "a.txt": "a" }, [
      ...["--cgi", "--quiet", "--cgi-max=6", "--max-body", "1200K"],
      ...["--cgi-timeout=1", "--cgi-idle=1", "--cgi-linger=0.5"],
    ]);
    assertEquals((await ask(site.port, "GET", "/cgi-bin/answers")).text, "ok\n");
    await until(async () => (await held(site)).programs.length === 0, "the first program is gone");
    const before = await held(site);
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = seeded(seed);
    let left = REQUESTS;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await pay(visitOf(random), site.port, random);
    }));
    let after = await held(site);
    const isAsBefore = async () => JSON.stringify(after = await held(site)) === JSON.stringify(before);
    await until(isAsBefore, `as before (seed ${seed})`).catch(() => assertEquals(after, before, `seed ${seed}`));
    // Six of these at once take all slots: none is lost.
    const silent = Array.from({ length: 6 }, () => ask(site.port, "GET", "/cgi-bin/silent"));
    assertEquals((await Promise.all(silent)).map(({ status }) => status), Array(6).fill(504), `seed ${seed}`);
    assertEquals((await ask(site.port, "GET", "/cgi-bin/answers")).text, "ok\n", `seed ${seed}`);
    assertEquals(await site.command.stop(), 0);
  },
});
