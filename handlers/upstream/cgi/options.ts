/**
 * The options of CGI.
 *
 * @module
 */

import type { Handler } from "../../types.ts";
import type { SystemUser } from "./process_group.ts";

/** A program and its words; the program as an absolute path on disk. */
export type CommandWords = readonly [program: string, ...words: string[]];

/** Which programs `cgi` runs, and how. Times are in milliseconds, and 0 is as long as it takes. */
export interface CgiOptions {
  /** Paths of directories of which every file is a program; `/cgi-bin` and `/htbin` unless given. */
  readonly directories?: readonly string[];
  /** Ends of names (`.cgi`) of files that are programs wherever they lie. */
  readonly extensions?: readonly string[];
  /** Ends of names (`.php`) and what runs such files; the file is added as the last word. */
  readonly interpreters?: Readonly<Record<string, CommandWords>>;
  /** Paths (`/git`) and the program that answers for all below. */
  readonly mounts?: Readonly<Record<string, CommandWords>>;
  /** Names of programs that stand for the directory they are in; none unless given. */
  readonly index?: readonly string[];
  /** Variables for all programs, besides those of CGI; they win over these. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether programs get the Authorization header, with the password in it. */
  readonly passAuth?: boolean;
  /** As whom programs run; as root only. */
  readonly user?: SystemUser;
  /** How many run at once; four for each core, and eight at least, unless given. */
  readonly maxPrograms?: number;
  /** How many of these may run for one client; three quarters unless given. See {@linkcode clientOf}. */
  readonly maxPerClient?: number;
  /** How long a request waits for a program to end; 10 seconds unless given, and 0 is not at all. */
  readonly queueTimeout?: number;
  /** The longest request body in bytes, or null for any; 1 GiB unless given. */
  readonly maxBody?: number | null;
  /**
   * How long a client may send nothing of a request body; 30 seconds unless given. The whole body has that time, too, and a
   * second more for each KiB: 408 after that.
   */
  readonly bodyTimeout?: number;
  /** How long a program may take until its header is there; 30 seconds unless given. */
  readonly headerTimeout?: number;
  /** How long a program may be silent after that; 60 seconds unless given. */
  readonly idleTimeout?: number;
  /** How long a program may go on after its answer; 5 seconds unless given. */
  readonly lingerTimeout?: number;
  /** How long a client may keep a program waiting that has something to send; a minute unless given. */
  readonly stallTimeout?: number;
  /** Whether everybody is shown why a program failed, and not only clients on this machine. */
  readonly debug?: boolean;
  /** What programs are told of the server (SERVER_SOFTWARE); `pyserve` unless given. */
  readonly software?: string;
  /**
   * Paths of directories that take uploads (`/incoming`); none unless given. What lies there is not run, nor is its source
   * sent; PATH_TRANSLATED never names it; and interpreters are started so that they take less from the directory of a
   * script: PYTHONSAFEPATH for Python, `--no-config` for Deno, no `.user.ini` for php-cgi, and so on (`env` wins over
   * the variables). See {@linkcode writableIn} for the other half, which `fileServer` does by itself.
   */
  readonly uploads?: readonly string[];
  /** Answers when a program sends a request on to another path; this handler and then `files` unless given. */
  readonly answer?: Handler;
}
