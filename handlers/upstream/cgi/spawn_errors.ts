/**
 * Maps failures to start a program to a status for the client.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";

/**
 * Whether the program is open for writing, so that the system refuses to run it (ETXTBSY, which has no code in Deno).
 */
export function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && /\btext file busy\b|\(os error 26\)/i.test(thrown.message);
}

/**
 * The error for a program that could not be started. The client sees no paths; the cause is logged.
 *
 * @param scriptIsGone Whether the file named by the URL no longer exists.
 */
export function spawnError(thrown: unknown, scriptIsGone: boolean): HttpError {
  if (thrown instanceof Deno.errors.NotCapable) return withoutPermission(thrown);
  const [status, message] = scriptIsGone ? [404] : verdict(thrown);
  const headers: Record<string, string> = status === 503 ? { "retry-after": "1" } : {};
  return new HttpError(status, message, { headers, cause: thrown });
}

function withoutPermission(thrown: Error): HttpError {
  const hint = new Error("Running programs is not permitted (--allow-run)", { cause: thrown });
  return new HttpError(500, "The server may not run programs", { cause: hint });
}

function verdict(thrown: unknown): [number, string] {
  if (isBusy(thrown)) return [503, "The program is currently being written"];
  if (thrown instanceof Deno.errors.NotFound) {
    return [500, "The program cannot be started: its interpreter does not exist"];
  }
  if (thrown instanceof Deno.errors.PermissionDenied) return [403, "The program may not be run"];
  return BY_CODE[codeOf(thrown)] ?? [500, "The program cannot be started"];
}

const BY_CODE: Readonly<Record<string, [number, string]>> = {
  ENOTDIR: [500, "The program cannot be started: its interpreter does not exist"],
  ENOEXEC: [500, "The program cannot be started: this system does not support its format"],
  E2BIG: [431, "The request is too large for the environment of a program"],
  EINVAL: [400, "The request cannot be represented in the environment of a program"],
  EMFILE: [503, "The server has run out of file descriptors"],
  ENFILE: [503, "The server has run out of file descriptors"],
  EAGAIN: [503, "The server cannot start more programs"],
  ENOMEM: [503, "The server has run out of memory"],
};

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}
