/** The files served: created in a temporary directory, limited to those the chosen cases need. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** File sizes in bytes, by name. */
export const SIZES: Readonly<Record<string, number>> = {
  "1k.txt": KIB,
  "10k.txt": 10 * KIB,
  "100k.txt": 100 * KIB,
  "1m.bin": MIB,
  "16m.bin": 16 * MIB,
  "1g.bin": 1024 * MIB,
};

/** Larger files are sparse: holes are read like data and take no disk space. */
const WRITTEN_UP_TO = 16 * MIB;

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
  for (const [name, size] of Object.entries(SIZES)) await makeFile(`${directory}/files/${name}`, size);
  for (const root of ["lists", "cgi"] satisfies Root[]) await makeFile(`${directory}/${root}/1k.txt`, KIB);
  await Deno.writeTextFile(`${directory}/cgi/cgi-bin/hello.sh`, HELLO, { mode: 0o755 });
}

/** Creates a directory of empty files in "lists", unless it exists. */
export function makeList(directory: string, path: string, entries: number): void {
  const list = `${directory}/lists/${path}`;
  try {
    Deno.statSync(list);
  } catch {
    Deno.mkdirSync(list, { recursive: true });
    for (let index = 0; index < entries; index++) Deno.createSync(`${list}/${entryName(index)}`).close();
  }
}

/** Marks a directory as just modified, so that no server may respond from a cached listing. */
export function touch(directory: string): void {
  const now = new Date();
  Deno.utimeSync(directory, now, now);
}

async function makeFile(path: string, size: number): Promise<void> {
  await Deno.writeFile(path, new Uint8Array(Math.min(size, WRITTEN_UP_TO)).fill(97));
  await Deno.truncate(path, size);
  await readThrough(path);
}

/** Reads a file into the page cache; otherwise the first server measured would pay for all. */
async function readThrough(path: string): Promise<void> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(MIB);
  while (await file.read(buffer) !== null);
}
