/** Whether a file can be run as a program, and how. */

import { assert, assertEquals } from "@std/assert";
import { HttpError } from "@x/pyserve";
import { checkExecutable, findProgram } from "../../../handlers/upstream/cgi/executable.ts";
import { tempTree } from "../../support/tree.ts";

/** Neither the mode nor the first line means anything on Windows. */
const ignore = Deno.build.os === "windows";

/** The verdict in words: `runs`, `runs by INTERPRETER ARGUMENT`, or status and sentence of the error. */
function verdict(file: string): string {
  try {
    const { interpreter } = checkExecutable(file);
    return interpreter === null ? "runs" : `runs by ${interpreter.join(" ")}`;
  } catch (error) {
    assert(error instanceof HttpError);
    return `${error.status} ${error.message.replace(/^The CGI program (?:cannot be run: )?/, "")}`;
  }
}

const NO_FORMAT = "500 it is neither a binary nor a script that begins with a line such as #!/bin/sh";
const CRLF = "500 its first line ends in CR LF; save it with Unix line endings (LF)";
const BOM = "500 it has a byte order mark before #!; save it as UTF-8 without BOM";
const UTF16 = "500 it is UTF-16; save it as UTF-8 without BOM";
const NO_NAME = "500 its first line names no interpreter after #!";
const FOREIGN = Deno.build.os === "darwin" ? "runs" : "500 it is a binary for another system";

/** The beginning of a file, one character a byte. */
const STARTS: readonly [start: string, verdict: string][] = [
  ["#!/bin/sh\necho", "runs by /bin/sh"],
  ["#! /bin/sh -e \necho", "runs by /bin/sh -e"],
  ["#!\t/bin/sh\t-e -u\t\n", "runs by /bin/sh -e -u"],
  ["#!/bin/sh", "runs by /bin/sh"],
  ["#!/usr/bin/env python3\n", "runs by /usr/bin/env python3"],
  ["#!/usr/bin/env no-such-program\n", "runs by /usr/bin/env no-such-program"],
  ["#!/bin/sh -e" + " ".repeat(300), "runs by /bin/sh -e"],
  ["#!./own\n", "runs by ./own"],
  ["#!/no/such/interpreter\n", '500 its interpreter "/no/such/interpreter" does not exist'],
  ["#!/no/su\x1bch\n", '500 its interpreter "/no/su?ch" does not exist'],
  ["#!/no/" + "x".repeat(200) + "\n", `500 its interpreter "/no/${"x".repeat(96)}" does not exist`],
  ["#!no-such\n", '500 its interpreter "no-such" does not exist'],
  ["#!/etc/passwd\n", '500 its interpreter "/etc/passwd" is not executable'],
  ["#!/bin\n", '500 its interpreter "/bin" is not executable'],
  ["#!/bin/sh/x\n", '500 its interpreter "/bin/sh/x" does not exist'],
  ["#!/bin/sh\r\necho\r\n", CRLF],
  ["#!/usr/bin/env python3\r\n", CRLF],
  ["#!/bin/sh -e\r\n", "runs by /bin/sh -e\r"],
  ["#!\n", NO_NAME],
  ["#! \t\n/bin/sh\n", NO_NAME],
  ["#!\r\n", NO_NAME],
  ["#!/" + "x".repeat(300) + "\n", "500 its first line is longer than 256 bytes"],
  ["\xef\xbb\xbf#!/bin/sh\n", BOM],
  ["\xff\xfe#\0!\0", UTF16],
  ["\xfe\xff\0#\0!", UTF16],
  ["", "500 it is empty"],
  ["echo hello\n", NO_FORMAT],
  ["\n#!/bin/sh\n", NO_FORMAT],
  [" #!/bin/sh\n", NO_FORMAT],
  ["#", NO_FORMAT],
  ["\0\x01\x02\x03", NO_FORMAT],
  ["MZ\x90\0", "500 it is a binary for another system"],
  ["\xcf\xfa\xed\xfe", FOREIGN],
];

Deno.test({ name: "checkExecutable() says why a program cannot be run, before it is tried", ignore }, async (t) => {
  await using tree = await tempTree({ own: "#!/bin/sh\n" });
  await Deno.chmod(tree.at("own"), 0o755);
  for (const [index, [start, expected]] of STARTS.entries()) {
    await t.step(JSON.stringify(start.slice(0, 40)), async () => {
      const file = tree.at(String(index));
      await Deno.writeFile(file, Uint8Array.from(start, (character) => character.charCodeAt(0)), { mode: 0o755 });
      assertEquals(verdict(file), expected);
    });
  }
});

Deno.test({ name: "checkExecutable() accepts binaries", ignore }, () => {
  assertEquals(verdict(Deno.realPathSync(Deno.execPath())), "runs");
});

Deno.test({ name: "checkExecutable() requires an executable file", ignore }, async () => {
  await using tree = await tempTree({ "a.sh": "#!/bin/sh\n", "directory/": "" });
  await Deno.chmod(tree.at("a.sh"), 0o644);
  assertEquals(verdict(tree.at("a.sh")), "403 is not executable");
  assertEquals(verdict(tree.at("directory")), "403 is not a regular file");
  assertEquals(verdict(tree.at("nothing")), "404 No such CGI program");
  assertEquals(verdict(tree.at("a.sh/x")), "404 No such CGI program");
  // Any executable bit will do: the system decides for whom.
  await Deno.chmod(tree.at("a.sh"), 0o601);
  assertEquals(verdict(tree.at("a.sh")), "runs by /bin/sh");
});

Deno.test({ name: "checkExecutable() checks a changed file again", ignore }, async () => {
  await using tree = await tempTree({ "a.sh": "#!/bin/sh\n" });
  const file = tree.at("a.sh");
  await Deno.chmod(file, 0o755);
  assertEquals(verdict(file), "runs by /bin/sh");
  await Deno.writeTextFile(file, "echo hello\n");
  assertEquals(verdict(file), NO_FORMAT);
  await Deno.writeTextFile(file, "#!/usr/bin/env sh\n");
  assertEquals(verdict(file), "runs by /usr/bin/env sh");
  await Deno.chmod(file, 0o644);
  assertEquals(verdict(file), "403 is not executable");
});

Deno.test({ name: "checkExecutable() leaves unreadable files to the system", ignore }, async () => {
  await using tree = await tempTree({ "a.sh": "#!/no/such\n" });
  await Deno.chmod(tree.at("a.sh"), 0o755);
  const module = JSON.stringify(import.meta.resolve("../../../handlers/upstream/cgi/executable.ts"));
  const code = `import { checkExecutable } from ${module};
    console.log(JSON.stringify(checkExecutable(${JSON.stringify(tree.at("a.sh"))})));`;
  const run = async (read: string) => {
    const args = ["run", "--config", "deno.json", "--no-prompt", `--allow-read=${read}`, tree.at("main.ts")];
    await Deno.writeTextFile(tree.at("main.ts"), code);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: new URL("../../..", import.meta.url),
    })
      .output();
    return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
  };
  // It may read the script, but nothing outside of its directory.
  assertEquals(await run(tree.path), '{"interpreter":["/no/such"]}');
});

Deno.test({ name: "findProgram() finds what a shell would", ignore }, async () => {
  await using tree = await tempTree({ "bin/own": "", "bin/plain": "" });
  await Deno.chmod(tree.at("bin/own"), 0o755);
  await Deno.chmod(tree.at("bin/plain"), 0o644);
  assert(findProgram("sh")?.endsWith("/sh"));
  assertEquals(findProgram("no-such-program"), null);
  assertEquals(findProgram(tree.at("bin/own")), tree.at("bin/own"));
  assertEquals(findProgram(tree.at("bin/plain")), null);
  assertEquals(findProgram(tree.at("bin")), null);
  assertEquals(findProgram("./no/such/program"), null);
});
