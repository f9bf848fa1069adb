/**
 * From the options of CGI to the feature; loaded where one of them is given.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { join } from "@std/path/join";
import { cgiFeature, type CgiOptions, type CommandWords } from "../handlers/cgi.ts";
import type { SystemUser } from "../handlers/cgi/process_group.ts";
import { findUser } from "../handlers/cgi/user.ts";
import type { Feature } from "../handlers/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import { sizeOf } from "./options.ts";
import type { Given } from "./parse.ts";
import { StartError } from "./start_error.ts";
import config from "../deno.json" with { type: "json" };

/** The feature that the options ask for. Throws {@linkcode StartError} where a program is not there. */
export async function cgiOf(values: Given["values"]): Promise<Feature> {
  const user = values.get("cgi-user")?.[0];
  const feature = cgiFeature({ ...cgiOptionsOf(values), ...(user !== undefined && { user: await userOf(user) }) });
  const restoreWarning = withoutAbortWarning();
  const end = async () => {
    await feature.end?.();
    restoreWarning();
  };
  return { ...feature, end };
}

function cgiOptionsOf(values: Given["values"]): CgiOptions {
  const one = (name: string) => values.get(name)?.[0] ?? null;
  const all = (name: string) => values.get(name) ?? [];
  const directories = one("cgi");
  const max = one("cgi-max");
  const maxBody = sizeOf(one("max-body") ?? "1G")!;
  return {
    directories: directories === null ? [] : directories === "" ? ["/cgi-bin", "/htbin"] : directories.split(","),
    extensions: all("cgi-ext").flatMap((list) => list.split(",")),
    interpreters: Object.fromEntries(all("cgi-map").map(assignmentOf)),
    mounts: Object.fromEntries(all("cgi-mount").map(assignmentOf)),
    index: all("cgi-index"),
    env: Object.fromEntries(all("cgi-env").flatMap(variableOf)),
    passAuth: values.has("cgi-pass-auth"),
    debug: values.has("cgi-debug"),
    headerTimeout: millisecondsOf(one("cgi-timeout") ?? "30"),
    idleTimeout: millisecondsOf(one("cgi-idle") ?? "60"),
    lingerTimeout: millisecondsOf(one("cgi-linger") ?? "5"),
    software: `pyserve/${config.version}`,
    maxBody: maxBody === 0 ? null : maxBody,
    ...(max !== null && { maxPrograms: Number(max) }),
  };
}

function millisecondsOf(seconds: string): number {
  return Number(seconds) * 1000;
}

/** `.php=/usr/bin/php-cgi -q`: what for, and the words of the program. */
function assignmentOf(text: string): [key: string, words: CommandWords] {
  const at = text.indexOf("=");
  const [program, ...words] = text.slice(at + 1).trim().split(/\s+/);
  return [text.slice(0, at), [findProgram(program!), ...words]];
}

/** A variable as given; or the server's own, where it has it. */
function variableOf(text: string): [name: string, value: string][] {
  const at = text.indexOf("=");
  if (at >= 0) return [[text.slice(0, at), text.slice(at + 1)]];
  const value = Deno.env.get(text);
  return value === undefined ? [] : [[text, value]];
}

/** Only root can run programs as somebody else. */
async function userOf(name: string): Promise<SystemUser> {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) {
    throw new StartError(`Cannot run programs as "${name}": only root can`);
  }
  try {
    return await findUser(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot run programs as "${name}": there is no such user`);
  }
}

/** The absolute path of a program, as a shell would find it. */
function findProgram(name: string): string {
  const isPath = name.includes("/") || name.includes(SEPARATOR);
  const directories = isPath ? [""] : (Deno.env.get("PATH") ?? "").split(Deno.build.os === "windows" ? ";" : ":");
  for (const directory of directories) {
    const path = isPath ? name : join(directory, name);
    try {
      // Links stay as they are: some programs do by their name what they do.
      if (Deno.statSync(path).isFile) return isAbsolute(path) ? path : join(Deno.cwd(), path);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
    }
  }
  throw new StartError(`Cannot run "${name}": there is no such program`);
}

function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^([a-z]:)?\\/i.test(path);
}
