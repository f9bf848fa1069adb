/** What a source has at a path. */

import { type FileSource, SitePath } from "@x/pyserve";

/** The path of names joined by slashes, taken literally. */
export function pathOf(text: string): SitePath {
  return text.split("/").reduce((parent, name) => parent.child(name)!, SitePath.root);
}

/** The content of a file of up to 100 bytes; null if there is none. */
export async function textAt(source: FileSource, path: SitePath): Promise<string | null> {
  const seen = await source.stat(path);
  if (seen?.kind !== "file") return null;
  using file = await source.open(path, seen);
  const bytes = new Uint8Array(100);
  return new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
}
