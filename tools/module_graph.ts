/** The module graph of a program: modules, imports and their positions. */

/** A module of the graph, as in `deno info --json`; only the fields used here. */
export interface Module {
  /** Its URL. */
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

/** An import. Of two imports of the same specifier in one module, only the first is listed. */
export interface Dependency {
  /** The specifier as written in the module. */
  readonly specifier: string;
  readonly code?: Resolution;
  readonly type?: Resolution;
  /** The `type` of the import attributes. */
  readonly assertionType?: string;
}

/** The target of a specifier, and its position in the module, quotes included. */
export interface Resolution {
  readonly specifier?: string;
  readonly span: { readonly start: Position; readonly end: Position };
}

/** A position in a text, counted from 0 in lines and code points (not UTF-16 code units). */
export interface Position {
  readonly line: number;
  readonly character: number;
}

/** The modules and all their dependencies, without duplicates, including dynamic and type imports. */
export async function modulesOf(entries: readonly URL[]): Promise<Module[]> {
  const graphs = await Promise.all(entries.map(readGraph));
  return [...new Map(graphs.flat().map((module) => [module.specifier, module])).values()];
}

async function readGraph(entry: URL): Promise<Module[]> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", entry.href],
    cwd: new URL(".", entry), // deno looks for its configuration here
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`Cannot read the modules of ${entry.href}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

/** A range of a text in UTF-16 code units, and its replacement. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies edits that do not overlap. */
export function edited(text: string, edits: readonly Edit[]): string {
  // From the last to the first, so that earlier positions stay valid.
  return edits.toSorted((a, b) => b.start - a.start)
    .reduce((result, edit) => result.slice(0, edit.start) + edit.text + result.slice(edit.end), text);
}

/** The range of an import specifier in the text of its module, quotes included. */
export function placeOf({ span }: Resolution, text: string): { start: number; end: number } {
  const [start, end] = [offsetOf(span.start, text), offsetOf(span.end, text)];
  const quoted = text.slice(start, end);
  if (!/^(["']).*\1$/.test(quoted)) throw new Error(`There is no specifier, but ${quoted}`);
  return { start, end };
}

function offsetOf({ line, character }: Position, text: string): number {
  const lines = text.split("\n");
  const before = lines.slice(0, line).reduce((sum, { length }) => sum + length + 1, 0);
  return before + Array.from(lines[line] ?? "").slice(0, character).join("").length;
}
