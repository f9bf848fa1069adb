/**
 * The options of CGI.
 *
 * @module
 */

import type { Handler } from "../../core/types.ts";
import type { SystemUser } from "./process_group.ts";

/** A command line; the program is an absolute path. */
export type CommandWords = readonly [program: string, ...words: string[]];

/** Options of `cgi`. Times are in milliseconds; 0 = unlimited. */
export interface CgiOptions {
  /** Paths of directories of which every file is a program; defaults to `/cgi-bin` and `/htbin`. */
  readonly directories?: readonly string[];
  /** Extensions (`.cgi`) of files that are programs in any directory. */
  readonly extensions?: readonly string[];
  /** Extensions (`.php`) and the interpreters of such files; the file is appended as the last argument. */
  readonly interpreters?: Readonly<Record<string, CommandWords>>;
  /** Paths (`/git`), each with the program for everything below it. */
  readonly mounts?: Readonly<Record<string, CommandWords>>;
  /** Names of programs that are the index of their directory; defaults to none. */
  readonly index?: readonly string[];
  /** Additional environment variables, which override those of CGI. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether to pass the Authorization header, password included; defaults to false. */
  readonly passAuth?: boolean;
  /** User to run programs as; needs root. */
  readonly user?: SystemUser;
  /** Maximum number of running programs; defaults to four per core, at least eight. */
  readonly maxPrograms?: number;
  /** How many of them may run for one client; defaults to three quarters. See {@linkcode clientOf}. */
  readonly maxPerClient?: number;
  /** How long a request waits for a running program to end; defaults to 10 seconds, 0 = does not wait. */
  readonly queueTimeout?: number;
  /** Maximum size of a request body in bytes (413), or null for unlimited; defaults to 1 GiB. */
  readonly maxBody?: number | null;
  /**
   * How long a client may pause while sending a request body; defaults to 30 seconds. The whole body has this time plus
   * one second per KiB; then 408.
   */
  readonly bodyTimeout?: number;
  /** How long a program may take to complete its header; defaults to 30 seconds. */
  readonly headerTimeout?: number;
  /** How long a program may be silent after that; defaults to 60 seconds. */
  readonly idleTimeout?: number;
  /** How long a program may continue after its response; defaults to 5 seconds. */
  readonly lingerTimeout?: number;
  /** How long a client may stop reading while output is pending; defaults to a minute. */
  readonly stallTimeout?: number;
  /** Whether all clients are shown why a program failed, not only those on this machine; defaults to false. */
  readonly debug?: boolean;
  /** SERVER_SOFTWARE; defaults to `pyserve`. */
  readonly software?: string;
  /**
   * Paths of directories that take uploads (`/incoming`); defaults to none. Their files are not run, nor is the source
   * of programs there served; PATH_TRANSLATED never names them; and interpreters are started so that they load less
   * from the script's directory: PYTHONSAFEPATH for Python, `--no-config` for Deno, no `.user.ini` for php-cgi, etc.
   * (`env` overrides the variables). See {@linkcode writableIn} for restricting uploads to them, which `fileServer`
   * does on its own.
   */
  readonly uploads?: readonly string[];
  /** The handler for local redirects; defaults to this handler, then `files`. */
  readonly answer?: Handler;
}
