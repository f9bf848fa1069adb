/**
 * What CGI programs and FastCGI applications have in common on the command line.
 *
 * @module
 */

import type { Options } from "./options.ts";
import type { Variable } from "./values.ts";
import config from "../deno.json" with { type: "json" };

/** How programs are told of requests, and how long they may take; times in milliseconds. */
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

/** What was given, and the defaults. */
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

/** A variable as given; or that of the server, where it has one. */
function variableFor({ name, value }: Variable): [name: string, value: string][] {
  const given = value ?? Deno.env.get(name);
  return given === undefined ? [] : [[name, given]];
}
