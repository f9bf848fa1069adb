/** What deno knows of the modules of a program: which they are, what they import, and where in their text. */

/** A module of the graph, as `deno info --json` has it; the part that is read here. */
export interface Module {
  /** Its URL. */
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

/** Something a module imports. Of two imports of the same specifier in one module only the first is there. */
export interface Dependency {
  /** As it is written in the module. */
  readonly specifier: string;
  readonly code?: Resolution;
  readonly type?: Resolution;
  /** The `type` of the import attributes. */
  readonly assertionType?: string;
}

/** Where a specifier leads, and where it stands in its module, quotes included. */
export interface Resolution {
  readonly specifier?: string;
  readonly span: { readonly start: Position; readonly end: Position };
}

/** A place in a text; both count from 0, and a character is a code point, not a UTF-16 code unit. */
export interface Position {
  readonly line: number;
  readonly character: number;
}

/** All modules that some modules need, and those themselves; each once, dynamic and type imports included. */
export async function modulesOf(entries: readonly URL[]): Promise<Module[]> {
  const graphs = await Promise.all(entries.map(readGraph));
  return [...new Map(graphs.flat().map((module) => [module.specifier, module])).values()];
}

async function readGraph(entry: URL): Promise<Module[]> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", entry.href],
    cwd: new URL(".", entry), // where deno looks for the configuration
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`Cannot read the modules of ${entry.href}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

/** A part of a text, in UTF-16 code units, and what to put in its place. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Makes edits that do not overlap. */
export function edited(text: string, edits: readonly Edit[]): string {
  // From the last to the first, so that what is still to be edited does not move.
  return edits.toSorted((a, b) => b.start - a.start)
    .reduce((result, edit) => result.slice(0, edit.start) + edit.text + result.slice(edit.end), text);
}

/** Where the specifier of an import stands in the text of its module, quotes included. */
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
