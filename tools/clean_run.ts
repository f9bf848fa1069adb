/**
 * Runs a command, and fails if it leaves temporary files or processes behind.
 *
 *     deno run -A tools/clean_run.ts deno test -A tests/upstream/fastcgi/fastcgi_test.ts
 *
 * @module
 */

const [program, ...args] = Deno.args;
if (program === undefined) {
  // deno-lint-ignore no-console
  console.error("Usage: clean_run.ts PROGRAM [WORDS...]");
  Deno.exit(2);
}

const place = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "clean-run-" }));
// Tests run servers as another user, who needs access to it.
if (Deno.build.os !== "windows") Deno.chmodSync(place, 0o755);
const path = program === "deno" ? Deno.execPath() : program; // the running executable, wherever it is
const { code } = await new Deno.Command(path, { args, env: { TMPDIR: place, TEMP: place, TMP: place } }).spawn()
  .status;
// Chromium's sound library creates a directory if the user has none.
const names = [...Deno.readDirSync(place)].map(({ name }) => name).filter((name) => !name.startsWith("pulse-"));
const left = names.map((name) => `${place}/${name}`);
const running = Deno.build.os === "linux" ? processesOf(place) : [];
// deno-lint-ignore no-console
for (const line of [...left, ...running]) console.error(`left behind: ${line}`);
if (left.length + running.length === 0) Deno.removeSync(place, { recursive: true });
Deno.exit(code !== 0 ? code : left.length + running.length === 0 ? 0 : 1);

/** Processes whose TMPDIR or working directory is the directory; CGI programs only have the latter. */
function processesOf(directory: string): string[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => pid !== String(Deno.pid)).flatMap((pid) => {
    try {
      const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
      const about = [Deno.readTextFileSync(`/proc/${pid}/environ`), words, Deno.readLinkSync(`/proc/${pid}/cwd`)];
      return about.some((text) => text.includes(directory)) ? [`process ${pid}: ${words}`] : [];
    } catch {
      return []; // it has exited, or belongs to another user
    }
  });
}
