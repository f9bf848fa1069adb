/**
 * Inserts markup at the beginning of the head of an HTML document while it streams.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBuffer>;

/** How far the beginning is searched for the head, in bytes: behind a license in a comment, for example. */
const MAX_PROLOGUE = 65_536;

/** The longest token that has to be recognized: `<!doctype`. */
const TOKEN_LENGTH = 9;

/**
 * Inserts markup after the doctype and the start tags of `html` and `head`, as far as they are there: before them, it would
 * put the browser in quirks mode; later, a `base` element would change its URL. Documents in UTF-16 stay as they are.
 */
export function insertedInHead(content: ReadableStream<Bytes>, markup: string): ReadableStream<Bytes> {
  let prologue: Bytes | null = new Uint8Array();
  const insert = (controller: TransformStreamDefaultController<Bytes>, isLast: boolean) => {
    const at = insertionPoint(prologue!, isLast);
    if (at === null) return;
    controller.enqueue(prologue!.slice(0, at.offset));
    if (at.isCertain) controller.enqueue(new TextEncoder().encode(markup));
    controller.enqueue(prologue!.slice(at.offset));
    prologue = null;
  };
  return content.pipeThrough(
    new TransformStream<Bytes, Bytes>({
      transform(chunk, controller) {
        if (prologue === null) return controller.enqueue(chunk);
        prologue = joined(prologue, chunk);
        insert(controller, prologue.length >= MAX_PROLOGUE);
      },
      flush(controller) {
        if (prologue !== null) insert(controller, true);
      },
    }),
  );
}

/** Where to insert. */
interface Point {
  readonly offset: number;
  /** Whether anything may be inserted there. */
  readonly isCertain: boolean;
}

/** The place to insert at; null if more is needed to decide. */
function insertionPoint(prologue: Bytes, isLast: boolean): Point | null {
  const [first, second] = prologue;
  if (first === 0xfe && second === 0xff || first === 0xff && second === 0xfe) return { offset: 0, isCertain: false };
  // As Latin-1, offsets in the text are those of the bytes.
  const text = new TextDecoder("latin1", { ignoreBOM: true }).decode(prologue.subarray(0, MAX_PROLOGUE));
  let offset = text.startsWith("\xef\xbb\xbf") ? 3 : 0;
  for (;;) {
    const start = afterSpace(text, offset);
    if (text.length - start < TOKEN_LENGTH && !isLast) return null;
    const end = endOfToken(text, start);
    if (end === "none") return { offset, isCertain: true };
    if (end === null) return isLast ? { offset: 0, isCertain: false } : null;
    offset = end;
    if (isTag(text, start, "head")) return { offset, isCertain: true };
  }
}

function afterSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\n\r\f".includes(text[at]!)) at += 1;
  return at;
}

/** The end of a token that may precede the content of the head; `none` for any other, null if it is incomplete. */
function endOfToken(text: string, start: number): number | "none" | null {
  if (text.startsWith("<!--", start)) return endAfter(text, "-->", start + 4);
  if (text.startsWith("<!", start) || text.startsWith("<?", start)) return endAfter(text, ">", start);
  if (isTag(text, start, "html") || isTag(text, start, "head")) return endOfTag(text, start);
  return "none";
}

function endAfter(text: string, end: string, from: number): number | null {
  const at = text.indexOf(end, from);
  return at < 0 ? null : at + end.length;
}

function isTag(text: string, start: number, name: string): boolean {
  const end = start + 1 + name.length;
  return text.slice(start, end).toLowerCase() === `<${name}` && " \t\n\r\f/>".includes(text[end] ?? "x");
}

/** The end of a tag, whose attributes may contain `>` in quotes. */
function endOfTag(text: string, start: number): number | null {
  let quote = "";
  for (let at = start; at < text.length; at++) {
    const character = text[at]!;
    if (quote !== "") quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === ">") return at + 1;
  }
  return null;
}

function joined(a: Bytes, b: Bytes): Bytes {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
