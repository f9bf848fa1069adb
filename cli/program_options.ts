/**
 * Command-line options shared by CGI and FastCGI.
 *
 * @module
 */

import type { Options } from "./options.ts";
import type { Variable } from "./values.ts";
import config from "../deno.json" with { type: "json" };

/** Environment and limits of programs; times in milliseconds. */
export interface ProgramOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly passAuth: boolean;
  readonly headerTimeout: number;
  readonly idleTimeout: number;
  readonly lingerTimeout: number;
  readonly software: string;
  readonly maxBody: number | null;
  readonly bodyTimeout: number;
}

/** The options, with defaults. */
export function programOptionsOf(options: Options): ProgramOptions {
  const maxBody = options["max-body"];
  return {
    env: Object.fromEntries(options["cgi-env"].flatMap(variableFor)),
    passAuth: options["cgi-pass-auth"],
    headerTimeout: options["cgi-timeout"],
    idleTimeout: options["cgi-idle"],
    lingerTimeout: options["cgi-linger"],
    software: `pyserve/${config.version}`,
    maxBody: maxBody === 0 ? null : maxBody,
    bodyTimeout: options["body-timeout"],
  };
}

/** A variable with its value, or the server's own value if it has one. */
function variableFor({ name, value }: Variable): [name: string, value: string][] {
  const given = value ?? Deno.env.get(name);
  return given === undefined ? [] : [[name, given]];
}
