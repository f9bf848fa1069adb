/** The files that are served: made in a temporary directory, and only those that the chosen cases need. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Files by name, in bytes. */
export const SIZES: Readonly<Record<string, number>> = {
  "1k.txt": KIB,
  "10k.txt": 10 * KIB,
  "100k.txt": 100 * KIB,
  "1m.bin": MIB,
  "16m.bin": 16 * MIB,
  "1g.bin": 1024 * MIB,
};

/** Larger files are only stretched to their size: their holes are read like data and take no disk. */
const WRITTEN_UP_TO = 16 * MIB;

/** The name of an entry of a listing. */
export function entryName(index: number): string {
  return `f${String(index).padStart(6, "0")}.txt`;
}

/** As little as a CGI program can be: what is measured is what it takes to run it. */
const HELLO = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n";

/**
 * Roots of their own, so that a server that reads its whole tree at start is not asked to read 200,000 entries: "files",
 * "lists" for the listings, and "cgi" for programs.
 */
export type Root = "files" | "lists" | "cgi";

/** Makes all roots in a directory, with all the files in "files", and one in each of the others to see a server start. */
export async function makeSite(directory: string): Promise<void> {
  // A server that was started as root gives its rights away and still has to read this.
  await Deno.chmod(directory, 0o755);
  for (const root of ["files", "lists", "cgi/cgi-bin"]) await Deno.mkdir(`${directory}/${root}`, { recursive: true });
  for (const [name, size] of Object.entries(SIZES)) await makeFile(`${directory}/files/${name}`, size);
  for (const root of ["lists", "cgi"] satisfies Root[]) await makeFile(`${directory}/${root}/1k.txt`, KIB);
  await Deno.writeTextFile(`${directory}/cgi/cgi-bin/hello.sh`, HELLO, { mode: 0o755 });
}

/** Makes a directory of empty files in "lists", unless it is there. */
export function makeList(directory: string, path: string, entries: number): void {
  const list = `${directory}/lists/${path}`;
  try {
    Deno.statSync(list);
  } catch {
    Deno.mkdirSync(list, { recursive: true });
    for (let index = 0; index < entries; index++) Deno.createSync(`${list}/${entryName(index)}`).close();
  }
}

/** Makes a directory look changed now, so that no server may answer from a listing it has kept. */
export function touch(directory: string): void {
  const now = new Date();
  Deno.utimeSync(directory, now, now);
}

async function makeFile(path: string, size: number): Promise<void> {
  await Deno.writeFile(path, new Uint8Array(Math.min(size, WRITTEN_UP_TO)).fill(97));
  await Deno.truncate(path, size);
  await readThrough(path);
}

/** Brings a file to the system's cache, or the first server that is asked for it would pay for all. */
async function readThrough(path: string): Promise<void> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(MIB);
  while (await file.read(buffer) !== null);
}
