/** Programs that tests need and that may be missing. */

/** Whether a program can be found on the PATH. */
export function hasProgram(name: string): boolean {
  const separator = Deno.build.os === "windows" ? ";" : ":";
  return (Deno.env.get("PATH") ?? "").split(separator).some((directory) => {
    try {
      return Deno.statSync(`${directory}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

/** For `ignore` of a test: true, and the reason printed, where the system does not permit what it needs. */
export function unless(isPossible: boolean, reason: string): boolean {
  // deno-lint-ignore no-console
  if (!isPossible) console.log(`skipped: ${reason}`);
  return !isPossible;
}

/** For `ignore` of a test: true, and the reason printed, where a program is missing. */
export function missing(...names: string[]): boolean {
  const absent = names.filter((name) => !hasProgram(name));
  // deno-lint-ignore no-console
  if (absent.length > 0) console.log(`skipped: ${absent.join(", ")} is not installed`);
  return absent.length > 0;
}
