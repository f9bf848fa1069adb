/**
 * Starting interpreters so that they take less from the directory of a script: for sites that take uploads.
 *
 * It is the second line of defence. The first is that uploads come into no directory from that of a script up to the root.
 *
 * @module
 */

import { basename } from "@std/path/basename";

/** Variables that interpreters, and what they start in turn, go by. Node and Ruby have none for this purpose. */
export const ISOLATED_VARIABLES: Readonly<Record<string, string>> = {
  PYTHONSAFEPATH: "1", // neither the directory of the script nor the current one is in sys.path (3.11)
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONNOUSERSITE: "1",
  PERL_USE_UNSAFE_INC: "0", // the current directory is not in @INC
  DENO_NO_PACKAGE_JSON: "1",
};

type Words = readonly [program: string, ...words: string[]];

/** What is run, and in which directory. */
export interface Start {
  readonly words: Words;
  readonly directory: string;
}

/** An interpreter that has to be told in words. */
interface Rule {
  readonly program: RegExp;
  readonly isolate: (start: Start) => Start;
}

const RULES: readonly Rule[] = [
  {
    // It looks for php.ini in the current directory, then goes to that of the script, and for .user.ini from there up.
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

/** The same start, so that an interpreter ignores what lies beside the script; as it is where none is known. */
export function isolated(start: Start): Start {
  const name = basename(start.words[0]);
  return RULES.find(({ program }) => program.test(name))?.isolate(start) ?? start;
}
