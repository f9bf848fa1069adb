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

/**
 * Two roots, so that a server that reads its whole tree at start is not asked to read 200,000 entries: "files", and
 * "lists" for the listings.
 */
export type Root = "files" | "lists";

/** Makes both roots in a directory, with all the files in "files" and one in "lists". */
export async function makeSite(directory: string): Promise<void> {
  // A server that was started as root gives its rights away and still has to read this.
  await Deno.chmod(directory, 0o755);
  for (const root of ["files", "lists"] satisfies Root[]) await Deno.mkdir(`${directory}/${root}`);
  for (const [name, size] of Object.entries(SIZES)) await makeFile(`${directory}/files/${name}`, size);
  await makeFile(`${directory}/lists/1k.txt`, KIB);
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
