/**
 * Starts interpreters so that they load less from the script's directory, for sites that take uploads.
 *
 * This is a second line of defence. The first is that uploads are kept out of the script's directory and all its
 * parents.
 *
 * @module
 */

import { basename } from "@std/path/basename";

/** Variables honoured by interpreters and inherited by their children. Node and Ruby have none for this purpose. */
export const ISOLATED_VARIABLES: Readonly<Record<string, string>> = {
  PYTHONSAFEPATH: "1", // keeps the script's directory and the working directory out of sys.path (3.11)
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONNOUSERSITE: "1",
  PERL_USE_UNSAFE_INC: "0", // keeps the working directory out of @INC
  DENO_NO_PACKAGE_JSON: "1",
};

type Words = readonly [program: string, ...words: string[]];

/** A command and its working directory. */
export interface Start {
  readonly words: Words;
  readonly directory: string;
}

/** An interpreter that needs arguments. */
interface Rule {
  readonly program: RegExp;
  readonly isolate: (start: Start) => Start;
}

const RULES: readonly Rule[] = [
  {
    // php-cgi looks for php.ini in the working directory, then changes to the script's, and reads .user.ini from there
    // up to the root.
    program: /^php-?cgi|^php[\d.]*-cgi/i,
    isolate: ({ words: [program, ...words] }) => ({
      words: [program, "-d", "user_ini.filename=", ...words],
      directory: "/",
    }),
  },
  {
    program: /^deno(?:\.exe)?$/i,
    isolate: ({ words: [program, ...words], directory }) => {
      const hasOwn = (...names: readonly string[]) => words.some((word) => names.includes(word.split("=")[0]!));
      const more = [
        ...hasOwn("--no-config", "--config", "-c") ? [] : ["--no-config"],
        ...hasOwn("--no-lock", "--lock") ? [] : ["--no-lock"],
      ];
      return { words: [program, ...words.slice(0, -1), ...more, ...words.slice(-1)], directory };
    },
  },
];

/** The same command, with what makes a known interpreter ignore files next to the script; unchanged for others. */
export function isolated(start: Start): Start {
  const name = basename(start.words[0]);
  return RULES.find(({ program }) => program.test(name))?.isolate(start) ?? start;
}
