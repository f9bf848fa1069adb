/**
 * Errors at start.
 *
 * @module
 */

/** A start that failed because of the state of the machine: one sentence, exit status 1. */
export class StartError extends Error {
  /** Always `"StartError"`. */
  override readonly name: string = "StartError";

  /** A system error as a phrase. */
  static reason(error: unknown): string {
    if (error instanceof Deno.errors.NotFound) return "it does not exist";
    if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
    if (error instanceof Deno.errors.AlreadyExists) return "a file of this name exists";
    if (error instanceof Deno.errors.NotADirectory) return "one of its parents is a file";
    if (error instanceof Deno.errors.FilesystemLoop) return "it is a symlink loop";
    if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
    return firstLine(error);
  }

  /** Any start error as a sentence. */
  static sentence(error: unknown): string {
    if (error instanceof StartError) return error.message;
    // Deno's message names the flag: Requires net access to "0.0.0.0:8000", run again with the --allow-net flag.
    if (error instanceof Deno.errors.NotCapable) return `Not permitted: ${firstLine(error)}`;
    return `Cannot start: ${firstLine(error)}`;
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!;
}
