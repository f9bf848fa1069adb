/** php-fpm, started for one test file. */

import { join } from "@std/path/join";
import { tempTree } from "./tree.ts";
import { freePort } from "./port.ts";

/** Debian's directory for it: the name includes the version, and it is not on every PATH. */
const DIRECTORIES = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];

/** The path of php-fpm on this machine, or null. */
export function findPhpFpm(): string | null {
  for (const directory of DIRECTORIES) {
    try {
      const names = Array.from(Deno.readDirSync(directory), ({ name }) => name);
      const name = names.filter((each) => /^php-fpm[\d.]*$/.test(each)).sort().at(-1);
      if (name !== undefined) return join(directory, name);
    } catch {
      // There is no such directory.
    }
  }
  return null;
}

/** A php-fpm that runs. */
export interface PhpFpm extends AsyncDisposable {
  /** Its Unix socket. */
  readonly socket: string;
  /** Its port on 127.0.0.1. */
  readonly port: number;
}

/** Starts php-fpm with a pool of workers on a Unix socket and another on TCP, and waits until both listen. */
export async function startPhpFpm(): Promise<PhpFpm> {
  const tree = await tempTree({ "sessions/": "" });
  const port = freePort();
  const socket = tree.at("fpm.sock");
  const root = Deno.uid() === 0;
  const pool = (name: string, listen: string) =>
    [
      `[${name}]`,
      `listen = ${listen}`,
      ...(root ? ["user = root", "group = root"] : []),
      "pm = static",
      "pm.max_children = 4",
      "catch_workers_output = no",
      `php_admin_value[session.save_path] = ${tree.at("sessions")}`,
      "php_admin_value[upload_max_filesize] = 64M",
      "php_admin_value[post_max_size] = 64M",
      "php_admin_value[output_buffering] = 0",
      "php_admin_flag[log_errors] = on",
    ].join("\n");
  const config = [
    "[global]",
    "daemonize = no",
    `error_log = ${tree.at("error.log")}`,
    `pid = ${tree.at("pid")}`,
    pool("unix", socket),
    pool("tcp", `127.0.0.1:${port}`),
    "",
  ].join("\n");
  await Deno.writeTextFile(tree.at("fpm.conf"), config);
  const args = ["-F", "-n", "-y", tree.at("fpm.conf"), ...(root ? ["-R"] : [])];
  const master = new Deno.Command(findPhpFpm()!, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  const said = new Response(master.stderr).text();
  let ended = false;
  master.status.then(() => ended = true);
  while (!ended && !await listens(socket, port)) await new Promise((resolve) => setTimeout(resolve, 20));
  if (ended) throw new Error(`php-fpm did not start: ${await said}`);
  return {
    socket,
    port,
    async [Symbol.asyncDispose]() {
      master.kill("SIGTERM");
      await master.status;
      await said;
      await tree[Symbol.asyncDispose]();
    },
  };
}

async function listens(socket: string, port: number): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path: socket })).close();
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
