/**
 * Simple syntax highlighting: comments, strings, numbers and the keywords that most languages share. It uses the CSS
 * Custom Highlight API, so the text stays a single text node.
 */

/** Limits on highlighted characters, in all and in a line: longer text is data. */
const MOST = 200_000;
const LONGEST_LINE = 2_000;

/** Maximum number of highlighted ranges: browsers need seconds for more. */
const MOST_RANGES = 10_000;

const WORDS =
  "abstract and as async await break case catch class const continue def default defer del do elif else end " +
  "enum except export extends extern false final finally fn for from func function go goto if impl import in interface " +
  "is lambda let local match mod module mut namespace new nil none not null or package pass private protected pub " +
  "public raise ref require return self static struct super switch template then this throw trait true try type " +
  "typedef typeof undefined union unsafe use using var virtual void when where while with yield";

// Unclosed strings and comments match as well, to the end of the line or of the text, so that each is scanned only
// once. Only closed ones are highlighted.
const STRINGS = String
  .raw`"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|${"`"}(?:[^${"`"}\\]|\\[^]){0,999}${"`"}?`;
const NUMBERS = String.raw`\b(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\b`;

/** @type {readonly (readonly [endings: RegExp, comments: string])[]} */
const COMMENTS = [
  [
    /\.(?:[cm]?[jt]sx?|json[c5]?|go|rs|c|h|cc|cpp|hpp|cs|java|kts?|swift|php|scala|dart|gradle|proto|groovy)$/i,
    String.raw`\/\/.*|\/\*[^]*?(?:\*\/|$)`,
  ],
  [/\.(?:css|scss|less)$/i, String.raw`\/\*[^]*?(?:\*\/|$)`],
  [/\.(?:sql|lua|hs|elm)$/i, String.raw`--.*`],
  [/\.(?:html?|xml|xsd|xsl|plist|vue|svelte)$/i, String.raw`<!--[^]*?(?:-->|$)`],
  [/\.(?:txt|text|log|rst|csv|tsv|asc)$/i, String.raw`(?!)`],
];

/** The pattern for a file: groups for comments, strings, numbers and keywords. @param {string} name */
export function patternOf(name) {
  const comments = COMMENTS.find(([ending]) => ending.test(name))?.[1] ?? String.raw`(?<![^\s;])#.*`;
  return new RegExp(`(${comments})|(${STRINGS})|(${NUMBERS})|\\b(${WORDS.replaceAll(" ", "|")})\\b`, "g");
}

/** How many ranges are left. */
let left = MOST_RANGES;

/**
 * Highlights the code of an element.
 *
 * @param {HTMLElement} code An element with a single text node.
 * @param {string} name The name of the file.
 * @param {AbortSignal} [signal] Aborted when the element is no longer shown.
 */
export function highlight(code, name, signal) {
  const text = code.firstChild;
  if (!(text instanceof Text) || text.length > MOST || !("highlights" in CSS) || /\.(?:txt|text|log)$/i.test(name)) {
    return;
  }
  if (text.data.split("\n").some((line) => line.length > LONGEST_LINE)) return;
  /** @type {[string, StaticRange][]} */
  const added = [];
  for (const match of text.data.matchAll(patternOf(name))) {
    if (left <= 0) break;
    const kind = match[1] ? "comment" : match[2] ? "string" : match[3] ? "number" : "word";
    if (kind === "string" && (match[0].length === 1 || !match[0].endsWith(match[0].charAt(0)))) continue;
    const [startOffset, endOffset] = [match.index, match.index + match[0].length];
    const range = new StaticRange({ startContainer: text, startOffset, endContainer: text, endOffset });
    added.push([kind, range]);
    left -= 1;
  }
  for (const [kind, range] of added) highlightOf(kind).add(range);
  signal?.addEventListener("abort", () => {
    for (const [kind, range] of added) highlightOf(kind).delete(range);
    left += added.length;
  });
}

/** What is highlighted on the page. @param {string} kind */
function highlightOf(kind) {
  const known = CSS.highlights.get(`code-${kind}`);
  if (known) return known;
  const made = new Highlight();
  CSS.highlights.set(`code-${kind}`, made);
  return made;
}
