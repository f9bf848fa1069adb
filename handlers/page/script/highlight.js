/**
 * A little colour for source text: comments, strings, numbers and the words that most languages share. Ranges are
 * coloured by the browser (CSS Custom Highlight API); the text stays one text.
 */

/** Characters that are coloured: what is longer is data. */
const MOST = 200_000;

const WORDS =
  "abstract and as async await break case catch class const continue def default defer del do elif else end " +
  "enum except export extends extern false final finally fn for from func function go goto if impl import in interface " +
  "is lambda let local match mod module mut namespace new nil none not null or package pass private protected pub " +
  "public raise ref require return self static struct super switch template then this throw trait true try type " +
  "typedef typeof undefined union unsafe use using var virtual void when where while with yield";

// What is never closed is looked through from each of its beginnings: so strings are short, and comments go to the end.
const STRINGS = String
  .raw`"(?:[^"\\\n]|\\.){0,999}"|'(?:[^'\\\n]|\\.){0,999}'|${"`"}(?:[^${"`"}\\]|\\[^]){0,999}${"`"}`;
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

/** @param {HTMLElement} code An element with one text in it. @param {string} name */
export function highlight(code, name) {
  const text = code.firstChild;
  if (!(text instanceof Text) || text.length > MOST || !("highlights" in CSS) || /\.(?:txt|text|log)$/i.test(name)) {
    return;
  }
  const comments = COMMENTS.find(([ending]) => ending.test(name))?.[1] ?? String.raw`(?<![^\s;])#.*`;
  const words = WORDS.replaceAll(" ", "|");
  const pattern = new RegExp(`(${comments})|(${STRINGS})|(${NUMBERS})|\\b(${words})\\b`, "g");
  /** @type {Record<string, Range[]>} */
  const found = { comment: [], string: [], number: [], word: [] };
  for (const match of text.data.matchAll(pattern)) {
    const kind = match[1] ? "comment" : match[2] ? "string" : match[3] ? "number" : "word";
    const range = document.createRange();
    range.setStart(text, match.index);
    range.setEnd(text, match.index + match[0].length);
    found[kind]?.push(range);
  }
  for (const [kind, ranges] of Object.entries(found)) CSS.highlights.set(`code-${kind}`, new Highlight(...ranges));
}
