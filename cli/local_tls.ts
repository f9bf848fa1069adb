/**
 * Certificates of an authority of this machine, from the options of the command.
 *
 * @module
 */

import { join } from "@std/path/join";
import { inDirectory, inMemory, type Keeping } from "../handlers/certificates/keeping.ts";
import type { WantedNames } from "../handlers/certificates/local_authority.ts";
import type { Logger } from "../handlers/core/types.ts";
import { LocalCertificates, reasonOf } from "../handlers/transport/local_certificates.ts";
import type { LocalTls } from "./settings.ts";
import { StartError } from "./start_error.ts";
import { defaultStateDirectory } from "./state_directory.ts";

/** The directory of the authority in the state directory. */
const DIRECTORY = "tls";

/** Parameters of {@linkcode openLocalTls}. */
export interface LocalTlsOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Takes a line for each change; null for none. */
  readonly log: Logger | null;
  readonly workers: number;
  readonly names: () => WantedNames;
}

/** The certificates, and what to say about them. */
export interface OpenedLocalTls {
  readonly local: LocalCertificates;
  /** Sentences to print at the start. */
  readonly notes: readonly string[];
  /** The state directory; null if there is none. */
  readonly state: string | null;
}

/** Makes or reads the certificate. Throws {@linkcode StartError}. */
export async function openLocalTls({ state }: LocalTls, options: LocalTlsOptions): Promise<OpenedLocalTls> {
  const { env, log, workers, names } = options;
  const directory = state ?? defaultStateDirectory(env);
  const open = (keeping: Keeping) => LocalCertificates.open({ keeping, names, log });
  try {
    if (directory === null) throw new TypeError("there is no home directory");
    const local = await open(await inDirectory(join(directory, DIRECTORY)));
    return { local, notes: notesOf(local, directory), state: directory };
  } catch (error) {
    const reason = directory === null ? "there is no home directory" : problemOf(directory, error);
    if (state !== null) throw new StartError(`Cannot use --state "${state}": ${reason}`);
    if (workers > 1) {
      throw new StartError(`Cannot use --workers with --tls: ${reason}; name another directory with --state`);
    }
    const local = await open(inMemory());
    const note = `the authority ends with this process, because ${reason}`;
    return { local, notes: [note, ...notesOf(local, null)], state: null };
  }
}

function problemOf(directory: string, error: unknown): string {
  if (error instanceof TypeError) return error.message;
  const reason = error instanceof Deno.errors.NotCapable ? "writing to it is not permitted" : StartError.reason(error);
  return `"${join(directory, DIRECTORY)}" cannot be used: ${reason}`;
}

function notesOf({ current: { reason, left } }: LocalCertificates, directory: string | null): string[] {
  const isNew = reason !== null && reason !== "first";
  const remedy = directory === null ? "" : `; remove "${join(directory, DIRECTORY)}" to make an authority for it`;
  return [
    ...(isNew ? [`there is a new authority${reasonOf(reason)}: clients have to install it again`] : []),
    ...(left.length > 0 ? [`the certificate is not valid for ${left.join(" and ")}${remedy}`] : []),
  ];
}
