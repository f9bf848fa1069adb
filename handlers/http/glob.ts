/**
 * Globs: patterns of names and paths that are matched in linear time.
 *
 * @module
 */

/** Text in which case and Unicode normalization make no difference, for {@linkcode Glob}. */
export function foldedName(text: string): string {
  return text.normalize("NFC").toLowerCase();
}

/** Whether a text is a glob, and not a name or path to be taken as it is. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/** One step of a glob. */
type Step =
  | { readonly kind: "one"; takes(character: string): boolean }
  | { readonly kind: "any"; takes(character: string): boolean }
  | { readonly kind: "directories" };

const isInName = (character: string) => character !== "/";
const isAny = () => true;

/**
 * A glob: `?` is one character and `*` any number of them, excluding `/`; `**` is any number of any characters, and
 * `**` + `/` any number of directories, including none; `[a-z]` is one of these, `[!a-z]` or `[^a-z]` any other.
 *
 * It is a nondeterministic finite automaton, simulated in all its states at once: matching takes at most the length of
 * the glob times that of the name.
 */
export class Glob {
  readonly #steps: readonly Step[];

  /** Compiles a glob, which must be folded like the names to be matched. */
  constructor(glob: string) {
    this.#steps = stepsOf(Array.from(glob));
  }

  /** Whether it matches a whole text. */
  matches(name: string): boolean {
    const end = this.#steps.length;
    let states = new Uint8Array(end + 1);
    let next = new Uint8Array(end + 1);
    this.#enter(states, 0);
    for (const character of name) {
      next.fill(0);
      let alive = false;
      for (let at = 0; at < end; at++) {
        if (states[at] === 1) alive = this.#move(next, at, character) || alive;
      }
      if (!alive) return false;
      [states, next] = [next, states];
    }
    return states[end] === 1;
  }

  /**
   * Enters a state and those reachable from it without input. States are processed in order, so one that has been
   * entered already has its successors entered too: each is entered once per character.
   */
  #enter(states: Uint8Array, at: number): void {
    for (let step = at; states[step] === 0; step++) {
      states[step] = 1;
      if (step === this.#steps.length || this.#steps[step]!.kind === "one") return;
    }
  }

  /** Consumes a character in a state. Returns whether it was accepted. */
  #move(next: Uint8Array, at: number, character: string): boolean {
    const step = this.#steps[at]!;
    if (step.kind === "directories") {
      // Stays in the state without entering the next one: that requires a slash.
      next[at] = 1;
      if (character === "/") this.#enter(next, at + 1);
      return true;
    }
    if (!step.takes(character)) return false;
    this.#enter(next, step.kind === "any" ? at : at + 1);
    return true;
  }
}

function stepsOf(glob: readonly string[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < glob.length;) {
    const [step, length] = stepAt(glob, at);
    steps.push(step);
    at += length;
  }
  return steps;
}

function stepAt(glob: readonly string[], at: number): [step: Step, length: number] {
  const character = glob[at]!;
  if (character === "?") return [{ kind: "one", takes: isInName }, 1];
  if (character === "[") return classAt(glob, at) ?? [literal(character), 1];
  if (character !== "*") return [literal(character), 1];
  let stars = 1;
  while (glob[at + stars] === "*") stars += 1;
  if (stars === 1) return [{ kind: "any", takes: isInName }, 1];
  const isWhole = (at === 0 || glob[at - 1] === "/") && glob[at + stars] === "/";
  return isWhole ? [{ kind: "directories" }, stars + 1] : [{ kind: "any", takes: isAny }, stars];
}

function literal(character: string): Step {
  return { kind: "one", takes: (other) => other === character };
}

/** A bracket expression, or null if it is not closed; a leading `]` is one of its characters. */
function classAt(glob: readonly string[], at: number): [step: Step, length: number] | null {
  const negated = glob[at + 1] === "!" || glob[at + 1] === "^";
  const start = at + (negated ? 2 : 1);
  const end = glob.indexOf("]", start + 1);
  if (end < 0) return null;
  const ranges: (readonly [low: string, high: string])[] = [];
  for (let i = start; i < end; i++) {
    const isRange = glob[i + 1] === "-" && i + 2 < end;
    ranges.push([glob[i]!, glob[isRange ? i + 2 : i]!]);
    if (isRange) i += 2;
  }
  const isIn = (code: number) => {
    return ranges.some(([low, high]) => low.codePointAt(0)! <= code && code <= high.codePointAt(0)!);
  };
  const takes = (character: string) => character !== "/" && isIn(character.codePointAt(0)!) !== negated;
  return [{ kind: "one", takes }, end - at + 1];
}
