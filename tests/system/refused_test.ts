/** Where the C library cannot be called, or the system refuses calls: everything works, and nothing is said about it. */

import { assert, assertEquals } from "@std/assert";
import { ENOSYS, EPERM, SYS_OPENAT2, SYS_STATX } from "../../handlers/system/libc.ts";
import { CLOCK_AHEAD, startProcess } from "../support/command.ts";
import { CLI, fromFileUrl, ROOT } from "../support/paths.ts";
import { missing, unless } from "../support/programs.ts";
import { refusing } from "../support/seccomp.ts";
import { tempTree } from "../support/tree.ts";

const isLinux = Deno.build.os === "linux";
const NO_LIBRARY = ["--preload", fromFileUrl(import.meta.resolve("../support/no_libc.ts"))];

/** A way to start Deno. */
interface Way {
  readonly flags: readonly string[];
  /** The words before the command line. */
  readonly before?: readonly string[];
  readonly ignore?: boolean;
}

const noSeccomp = !isLinux || missing("python3");
const refused = (errno: number) => refusing(errno, SYS_STATX, SYS_OPENAT2);

/** A namespace in which something else is mounted at /proc. */
const NO_PROC = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"];

const WAYS: Readonly<Record<string, Way>> = {
  "with --deny-ffi": { flags: ["-A", "--deny-ffi"] },
  "without the C library": { flags: ["-A", ...NO_LIBRARY], ignore: !isLinux },
  "where statx and openat2 are not permitted": { flags: ["-A"], before: refused(EPERM), ignore: noSeccomp },
  "where statx and openat2 do not exist": { flags: ["-A"], before: refused(ENOSYS), ignore: noSeccomp },
  "where /proc is not mounted": {
    flags: ["-A"],
    before: NO_PROC,
    ignore: !isLinux || unless(succeeds(...NO_PROC, "true"), "/proc cannot be hidden"),
  },
  "with FFI for one library only": { flags: ["--allow-read", "--allow-net", "--allow-ffi=/nowhere"] },
  "with the permissions that are needed only": { flags: ["--allow-read", "--allow-net"] },
};

function succeeds(...[program, ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(program!, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Files, listings, the cache, containment and ranges. */
const CORE = [
  "files/files_test.ts",
  "listing/listing_test.ts",
  "serving/content_test.ts",
  "serving/response_cache_test.ts",
  "sources/place_test.ts",
  "sources/ranges_test.ts",
  "sources/root_test.ts",
  "sources/sources_test.ts",
];

for (const name of Object.keys(WAYS).slice(0, 3)) {
  const { flags, before = [], ignore = false } = WAYS[name]!;
  Deno.test({
    name: `the tests of files, listings, the cache, containment and ranges pass ${name}`,
    ignore,
    async fn() {
      const files = CORE.map((file) => fromFileUrl(`../${file}`));
      const [program, ...args] = [...before, Deno.execPath(), "test", "--no-check", "--parallel", ...flags, ...files];
      const command = new Deno.Command(program!, { args, cwd: ROOT, env: { NO_COLOR: "1" } });
      const { success, stdout } = await command.output();
      const text = new TextDecoder().decode(stdout);
      assert(success, text);
      assert(Number(/(\d+) passed/.exec(text)?.[1]) > 100, text);
    },
  });
}

for (const [name, { flags, before = [], ignore = false }] of Object.entries(WAYS)) {
  Deno.test({
    name: `a server ${name} answers as usual, and says nothing about it`,
    ignore,
    async fn() {
      await using tree = await tempTree({ "root/a.txt": "0123456789", "root/dir/b.txt": "b", "secret.txt": "secret" });
      for (const [link, target] of [["in", "dir"], ["out", "../secret.txt"]] as const) {
        if (Deno.build.os !== "windows") await Deno.symlink(target, tree.at(`root/${link}`));
      }
      const usual = await answers(["-A"], [], tree.at("root"));
      assertEquals(await answers(flags, before, tree.at("root")), usual);
    },
  });
}

/** The responses, first and from the cache, after a change, too; and what is on stderr besides the access log. */
async function answers(flags: readonly string[], before: readonly string[], directory: string): Promise<string[]> {
  const options = ["-d", directory, "-b", "127.0.0.1", "0"];
  const run = [Deno.execPath(), "run", "--no-lock", "--no-prompt", ...CLOCK_AHEAD, ...flags, CLI, ...options];
  const [program, ...args] = [...before, ...run];
  await using server = await startProcess(program!, args);
  const all: string[] = [];
  const ask = async (target: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${target}`, { headers });
    all.push(`${target} ${response.status} ${await response.text()}`);
  };
  for (const text of ["0123456789", "9876543210"]) {
    await Deno.writeTextFile(`${directory}/a.txt`, text);
    for (let time = 0; time < 3; time++) {
      for (const target of ["/a.txt", "/in/b.txt", "/out", "/none", "/dir/none", "/a.txt/", "/?format=text"]) {
        await ask(target, { accept: "text/plain" });
      }
      await ask("/a.txt", { range: "bytes=2-4" });
    }
  }
  await server.stop();
  return [...all, ...server.stderr().split("\n").filter((line) => !line.startsWith("127.0.0.1 - - ["))];
}

const NO_NODE = "/proc is not mounted; without it, Deno cannot load Node's modules";

for (const options of [["--upload"], ["--workers", "2"], ["--auth", "none"]]) {
  Deno.test({
    name: `where /proc is not mounted, ${options.join(" ")} is refused in one sentence`,
    ignore: WAYS["where /proc is not mounted"]!.ignore!,
    async fn() {
      await using tree = await tempTree();
      const [program, ...args] = [...NO_PROC, Deno.execPath(), "run", "--no-lock", "-A", CLI, ...options, "0"];
      const { code, stderr } = await new Deno.Command(program!, { args, cwd: tree.path }).output();
      assertEquals([code, new TextDecoder().decode(stderr)], [1, `pyserve: Cannot start: ${NO_NODE}\n`]);
    },
  });
}

Deno.test({
  name: "where /proc is not mounted, what needs Node's modules fails with one line in the log, and the server stays",
  ignore: WAYS["where /proc is not mounted"]!.ignore!,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    const [program, ...args] = [...NO_PROC, Deno.execPath(), "run", "--no-lock", "-A", CLI, "-b", "127.0.0.1", "0"];
    await using server = await startProcess(program!, [...args, "-d", tree.path]);
    for (const [target, status] of [["/?archive=zip", 500], ["/a.txt?md5", 500], ["/a.txt", 200]] as const) {
      const response = await fetch(`http://127.0.0.1:${server.port}${target}`);
      await response.body?.cancel();
      assertEquals(response.status, status, target);
    }
    await server.untilStderr(NO_NODE);
    assert(!server.stderr().includes("    at "), server.stderr());
  },
});
