/**
 * What CGI programs and FastCGI applications have in common on the command line.
 *
 * @module
 */

import { sizeOf } from "./values.ts";
import type { Given } from "./parse.ts";
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

/** The options that were given, and what holds for the others. */
export function programOptionsOf(values: Given["values"]): ProgramOptions {
  const one = (name: string) => values.get(name)?.[0] ?? null;
  const maxBody = sizeOf(one("max-body") ?? "1G")!;
  return {
    env: Object.fromEntries((values.get("cgi-env") ?? []).flatMap(variableOf)),
    passAuth: values.has("cgi-pass-auth"),
    headerTimeout: millisecondsOf(one("cgi-timeout") ?? "30"),
    idleTimeout: millisecondsOf(one("cgi-idle") ?? "60"),
    lingerTimeout: millisecondsOf(one("cgi-linger") ?? "5"),
    software: `pyserve/${config.version}`,
    maxBody: maxBody === 0 ? null : maxBody,
    bodyTimeout: millisecondsOf(one("body-timeout") ?? "30"),
  };
}

/** Paths of the directories of which every file is a program. */
export function programDirectoriesOf(values: Given["values"]): readonly string[] {
  const directories = values.get("cgi")?.[0];
  if (directories === undefined) return [];
  return directories === "" ? ["/cgi-bin", "/htbin"] : directories.split(",");
}

function millisecondsOf(seconds: string): number {
  return Number(seconds) * 1000;
}

/** A variable as given; or the server's own, where it has it. */
function variableOf(text: string): [name: string, value: string][] {
  const at = text.indexOf("=");
  if (at >= 0) return [[text.slice(0, at), text.slice(at + 1)]];
  const value = Deno.env.get(text);
  return value === undefined ? [] : [[text, value]];
}
