/** The files served: created in a temporary directory, limited to those the chosen cases need. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** File sizes in bytes, by name. */
export const SIZES: Readonly<Record<string, number>> = {
  "1k.txt": KIB,
  "100k.txt": 100 * KIB,
  "1m.bin": MIB,
  "16m.bin": 16 * MIB,
};

/** The name of an entry of a listing. */
export function entryName(index: number): string {
  return `f${String(index).padStart(6, "0")}.txt`;
}

/** A minimal CGI program, so that the overhead of running it is measured. */
const HELLO = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n";

/**
 * Separate roots, so that a server that scans its whole tree at start does not read 200,000 entries: "files", "lists"
 * for the listings, and "cgi" for programs.
 */
export type Root = "files" | "lists" | "cgi";

/**
 * Creates all roots in a directory, with all files in "files", and one file in each of the others to detect that a
 * server has started.
 */
export async function makeSite(directory: string): Promise<void> {
  // A server started as root drops its privileges and must still be able to read this.
  await Deno.chmod(directory, 0o755);
  for (const root of ["files", "lists", "cgi/cgi-bin"]) await Deno.mkdir(`${directory}/${root}`, { recursive: true });
  for (const [name, size] of Object.entries(SIZES)) {
    await Deno.writeFile(`${directory}/files/${name}`, new Uint8Array(size).fill(97));
  }
  for (const root of ["lists", "cgi"] satisfies Root[]) {
    await Deno.copyFile(`${directory}/files/1k.txt`, `${directory}/${root}/1k.txt`);
  }
  await Deno.writeTextFile(`${directory}/cgi/cgi-bin/hello.sh`, HELLO, { mode: 0o755 });
}

/** Creates a directory of empty files. */
export function makeList(directory: string, entries: number): void {
  Deno.mkdirSync(directory, { recursive: true });
  for (let index = 0; index < entries; index++) Deno.createSync(`${directory}/${entryName(index)}`).close();
}

/** Marks a directory as just modified, so that no server may respond from a cached listing. */
export function touch(directory: string): void {
  const now = new Date();
  Deno.utimeSync(directory, now, now);
}
