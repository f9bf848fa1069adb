/** A command with `--tls`, its state in a directory of the test, and curl that trusts only its authority. */

import { join } from "@std/path/join";
import { type RunningCommand, start, type StartOptions } from "./command.ts";

/** A command that serves HTTPS with an authority of its own. */
export interface LocalTlsCommand extends RunningCommand {
  /** The file with the certificate of the authority. */
  readonly authority: string;
  /** The fingerprint it printed. */
  readonly fingerprint: string;
  /** The port of plain HTTP; NaN without one. */
  readonly plainPort: number;
}

/** Starts it; `state` is the base of the state directory. */
export async function startLocalTls(
  args: readonly string[],
  state: string,
  options: Omit<StartOptions, "env"> = {},
): Promise<LocalTlsCommand> {
  const command = await start([...args, "--tls"], { ...options, env: { XDG_STATE_HOME: state } });
  const fingerprint = /^ {2}((?:[0-9A-F]{2}:){31}[0-9A-F]{2})$/m.exec(command.stdout())?.[1] ?? "";
  const plainPort = Number(/plain HTTP on port (\d+) is redirected/.exec(command.stdout())?.[1]);
  return Object.assign(command, { authority: join(state, "pyserve/tls/ca.crt"), fingerprint, plainPort });
}

/** The output of curl, or its error. */
export async function curl(...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("curl", { args: ["-sS", ...args], stdin: "null" }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}
