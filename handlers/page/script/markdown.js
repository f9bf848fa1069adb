/**
 * Renders the subset of Markdown used in READMEs. File content only ever becomes text: HTML tags are dropped, links are
 * limited to the web and to files, images to this server.
 */

import { h } from "./dom.js";
import markdownCss from "./markdown.css" with { type: "text" };
import { destinationAt, REFERENCE, referenceAt, Spans } from "./spans.js";
import { isShown } from "./kinds.js";
import { t } from "./language.js";
import { urlOf } from "./places.js";
import { openPreview } from "./previews.js";
import { entryAt } from "./selectors.js";
import { store } from "./store.js";
import { adopt } from "./style.js";

adopt(markdownCss);

/** Maximum nesting depth; deeper content is shown as text. */
const DEPTH = 16;

/** Maximum number of elements: laying out more keeps a browser busy for seconds. The rest is shown as source text. */
const ELEMENTS = 10_000;

/**
 * @param {string} source
 * @param {string} base URL of the file, for relative links.
 * @param {AbortSignal} [signal] Aborted when it is no longer shown.
 * @returns {HTMLElement}
 */
export function renderMarkdown(source, base, signal) {
  const lines = source.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n").replace(/<!--[^]*?(?:-->|$)/g, "").split("\n");
  const reader = new Reader(base, definitionsIn(lines));
  const article = h("article", { class: "markdown" }, reader.blocks(lines, 0));
  article.append(...reader.footnotes());
  article.addEventListener("click", (event) => followLink(event, article));
  for (const block of article.querySelectorAll("p, h2, h3, h4, h5, h6, ul, ol, blockquote, table, summary")) {
    block.setAttribute("dir", "auto"); // one text may be in Arabic, the next in English
  }
  highlightFences(article, signal);
  return article;
}

/** @param {HTMLElement} article @param {AbortSignal} [signal] */
async function highlightFences(article, signal) {
  const fences = article.querySelectorAll("code[data-language]");
  if (fences.length === 0) return;
  const module = await import("./highlight.js").catch(() => null); // it is as well without colours
  for (const code of /** @type {NodeListOf<HTMLElement>} */ (fences)) {
    const language = code.dataset.language ?? "";
    if (!signal?.aborted) module?.highlight(code, `.${ENDINGS[language] ?? language}`, signal);
  }
}

/** The endings of files in a language, if they are not its name. @type {Record<string, string>} */
const ENDINGS = {
  javascript: "js",
  typescript: "ts",
  csharp: "cs",
  "c++": "cpp",
  golang: "go",
  rust: "rs",
  kotlin: "kt",
  haskell: "hs",
};

const DEFINITION = /^ {0,3}\[([^\]]{1,200})\]:\s*<?(\S+?)>?(?:\s+["'(].*)?$/;

/** Maximum number of footnotes. */
const FOOTNOTES = 1_000;

const FOOTNOTE = /^ {0,3}\[\^([^\]\s]{1,200})\]:[ \t]?/;

/** Extracts the definitions of links and footnotes, but not from code. @param {string[]} lines */
function definitionsIn(lines) {
  /** @type {Map<string, string>} */
  const links = new Map();
  /** @type {Map<string, string[]>} */
  const footnotes = new Map();
  let fence = "";
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (fence !== "") {
      if (isClosing(line, fence)) fence = "";
      continue;
    }
    fence = FENCE.exec(line)?.[1] ?? "";
    const footnote = FOOTNOTE.exec(line);
    const link = footnote ? null : DEFINITION.exec(line);
    if (footnote) {
      const end = footnoteEnd(lines, at + 1);
      const content = [line.slice(footnote[0].length), ...lines.slice(at + 1, end).map((more) => more.trimStart())];
      footnotes.set(footnote[1]?.toLowerCase() ?? "", content);
      lines.fill("", at, end);
      at = end - 1;
    } else if (link) {
      links.set(link[1]?.toLowerCase() ?? "", link[2] ?? "");
      lines[at] = "";
    }
  }
  return { links, footnotes };
}

/** A footnote goes on with indented lines, of which the first may follow a blank line. @param {string[]} lines @param {number} at */
function footnoteEnd(lines, at) {
  let end = at;
  while (
    /^(?: {4}|\t)\s*\S/.test(lines[end] ?? "") || (lines[end] === "" && /^(?: {4}|\t)\s*\S/.test(lines[end + 1] ?? ""))
  ) {
    end += 1;
  }
  return end;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})(?!\S)/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const DETAILS = /^ {0,3}<details(?:\s[^<>]*)?>/i;
/** Maximum number of table columns: layout takes a browser that many steps for each row, however short. */
const COLUMNS = 64;

const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( +)|$)/;

class Reader {
  #base;
  #links;
  #footnotes;
  /** The numbers of footnotes by name, in the order of their first references. @type {Map<string, number>} */
  #referenced = new Map();
  /** Number of elements left. */
  #left = ELEMENTS;

  /** @param {string} base @param {{ links: Map<string, string>, footnotes: Map<string, string[]> }} definitions */
  constructor(base, { links, footnotes }) {
    this.#base = base;
    this.#links = links;
    this.#footnotes = footnotes;
  }

  /** The section of the footnotes that are referred to. @returns {Node[]} */
  footnotes() {
    if (this.#referenced.size === 0) return [];
    const list = h("ol");
    // A footnote may refer to others, which are then visited, too.
    for (const [name, number] of this.#referenced) {
      const content = this.blocks(this.#footnotes.get(name) ?? [], 1);
      const back = h("a", { href: `#md-ref-${number}`, "aria-label": t("Back to reference {n}", { n: number }) }, "↩");
      const last = content.at(-1);
      if (last instanceof HTMLParagraphElement) last.append(" ", back);
      else content.push(back);
      list.append(h("li", { id: `md-note-${number}` }, content));
    }
    return [h("section", { class: "footnotes", "aria-label": t("Footnotes") }, list)];
  }

  /** @param {string} text @param {number} at @returns {[Node[], number] | null} */
  #footnote(text, at) {
    const match = /^\[\^([^\]\s]{1,200})\]/.exec(text.slice(at, at + 204));
    const name = match?.[1]?.toLowerCase() ?? "";
    if (!match || !this.#footnotes.has(name)) return null;
    const known = this.#referenced.get(name);
    const number = known ?? this.#referenced.size + 1;
    if (number > FOOTNOTES) return null;
    this.#referenced.set(name, number);
    const id = known === undefined ? `md-ref-${number}` : null;
    const link = h(
      "a",
      { href: `#md-note-${number}`, id, "aria-label": t("Footnote {n}", { n: number }) },
      String(number),
    );
    return [[h("sup", {}, link)], at + match[0].length];
  }

  /** @param {string[]} lines @param {number} depth @returns {Node[]} */
  blocks(lines, depth) {
    /** @type {Node[]} */
    const blocks = [];
    for (let at = 0; at < lines.length;) {
      if (this.#left <= 0) return [...blocks, codeBlock(lines.slice(at))];
      const [block, next] = this.#block(lines, at, depth);
      if (block) blocks.push(block);
      this.#left -= block ? 1 : 0;
      at = next;
    }
    return blocks;
  }

  /** @param {string[]} lines @param {number} at @param {number} depth @returns {[Node | null, number]} */
  #block(lines, at, depth) {
    const line = lines[at] ?? "";
    if (line.trim() === "") return [null, at + 1];
    if (FENCE.test(line)) return fenced(lines, at);
    if (/^ {4}/.test(line)) return indented(lines, at);
    const heading = HEADING.exec(line);
    // The page has its own top-level heading.
    if (heading) return [this.#heading(heading[1]?.length ?? 1, headingText(line.slice(heading[0].length))), at + 1];
    if (RULE.test(line)) return [h("hr"), at + 1];
    if (depth < DEPTH && DETAILS.test(line)) return this.#details(lines, at, depth);
    if (depth < DEPTH && QUOTE.test(line)) return this.#quote(lines, at, depth);
    if (depth < DEPTH && ITEM.test(line)) return this.#list(lines, at, depth);
    if (line.includes("|") && isTableRule(lines[at + 1] ?? "")) return this.#table(lines, at);
    return this.#paragraph(lines, at);
  }

  /** @param {number} level @param {string} text */
  #heading(level, text) {
    const tag = /** @type {"h2"} */ (`h${Math.min(6, level + 1)}`);
    const id = text.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-");
    return h(tag, { id: `md-${id}` }, this.inline(text, 0));
  }

  /** @param {string[]} lines @param {number} at @returns {[Node | null, number]} */
  #paragraph(lines, at) {
    let end = at + 1;
    while (end < lines.length && !this.#interrupts(lines[end] ?? "")) end += 1;
    const text = lines.slice(at, end).join("\n");
    const underline = /^ {0,3}(=+|-+)\s*$/.exec(lines[end] ?? "");
    if (underline) return [this.#heading(underline[1]?.startsWith("=") ? 1 : 2, text), end + 1];
    const aligned = ALIGNED.exec(text.slice(0, 100));
    if (aligned?.[1]) return [this.#heading(Number(aligned[1]), text.replace(/<\/?h[1-6][^<>]*>/gi, "").trim()), end];
    const content = this.inline(text.trim(), 0);
    const isEmpty = content.every((node) => node instanceof Text && node.data.trim() === "");
    const side = aligned && (aligned[2]?.toLowerCase() === "center" ? "to-center" : "to-end");
    return [isEmpty ? null : h("p", { class: side }, content), end];
  }

  /** @param {string} line */
  #interrupts(line) {
    return line.trim() === "" || FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) ||
      DETAILS.test(line) ||
      /^ {0,3}(?:[-*+]|1[.)])\s+\S/.test(line) || /^ {0,3}=+\s*$/.test(line);
  }

  /** @param {string[]} lines @param {number} at @param {number} depth @returns {[Node, number]} */
  #quote(lines, at, depth) {
    let end = at;
    while (end < lines.length && QUOTE.test(lines[end] ?? "")) end += 1;
    const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
    const kind = /^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\s*$/i.exec(inner[0] ?? "")?.[1];
    if (!kind) return [h("blockquote", {}, this.blocks(inner, depth + 1)), end];
    const title = h("p", {}, h("strong", {}, kind.charAt(0).toUpperCase() + kind.slice(1).toLowerCase()));
    return [
      h(
        "blockquote",
        { class: "notice", "data-kind": kind.toLowerCase() },
        title,
        this.blocks(inner.slice(1), depth + 1),
      ),
      end,
    ];
  }

  /** A part that is opened by a click, up to its end tag or else to the end. @param {string[]} lines @param {number} at @param {number} depth @returns {[Node, number]} */
  #details(lines, at, depth) {
    const [tag = ""] = DETAILS.exec(lines[at] ?? "") ?? [];
    let level = 0;
    let end = at;
    for (; end < lines.length; end++) {
      const line = lines[end] ?? "";
      if (DETAILS.test(line)) level += 1;
      if (line.includes("</details>") && --level === 0) break;
    }
    const inner = lines.slice(at, end + 1);
    inner[0] = (inner[0] ?? "").slice(tag.length);
    inner[inner.length - 1] = (inner.at(-1) ?? "").replace("</details>", "");
    const { summary, rest } = summaryOf(inner);
    const isOpen = /\sopen\b/i.test(tag);
    const content = this.blocks(rest, depth + 1);
    return [h("details", { open: isOpen }, h("summary", {}, this.inline(summary, 0)), content), end + 1];
  }

  /** @param {string[]} lines @param {number} at @param {number} depth @returns {[Node, number]} */
  #list(lines, at, depth) {
    const marker = ITEM.exec(lines[at] ?? "")?.[2] ?? "-";
    const isOrdered = /\d/.test(marker);
    const list = isOrdered ? h("ol", { start: parseInt(marker) === 1 ? null : parseInt(marker) }) : h("ul");
    let end = at;
    while (end < lines.length && this.#left > 0) {
      const item = ITEM.exec(lines[end] ?? "");
      if (!item || /\d/.test(item[2] ?? "") !== isOrdered || RULE.test(lines[end] ?? "")) break;
      const width = item[0].length - (item[3] && item[3].length > 4 ? item[3].length - 1 : 0);
      const inner = [(lines[end] ?? "").slice(width)];
      end += 1;
      while (end < lines.length) {
        const line = lines[end] ?? "";
        const isInside = /^\s/.test(line) && line.search(/\S/) >= width;
        const isLoose = line.trim() === "" && /^\s+\S/.test(lines[end + 1] ?? "");
        const isLazy = !this.#interrupts(line) && !ITEM.test(line) && (lines[end - 1] ?? "").trim() !== "";
        if (!isInside && !isLoose && !isLazy) break;
        inner.push(isInside ? line.slice(width) : line.trimStart());
        end += 1;
      }
      list.append(this.#item(inner, depth));
      this.#left -= 1;
      while (end < lines.length && (lines[end] ?? "").trim() === "" && ITEM.test(lines[end + 1] ?? "")) end += 1;
    }
    return [list, end];
  }

  /** @param {string[]} lines @param {number} depth */
  #item(lines, depth) {
    const task = /^\[([ xX])\]\s+/.exec(lines[0] ?? "");
    if (task) lines[0] = (lines[0] ?? "").slice(task[0].length);
    const blocks = this.blocks(lines, depth + 1);
    // A one-line item gets no paragraph.
    const isTight = !lines.includes("");
    const content = blocks.flatMap((block) =>
      isTight && block instanceof HTMLParagraphElement ? [...block.childNodes] : [block]
    );
    if (!task) return h("li", {}, content);
    const done = task[1] !== " ";
    return h(
      "li",
      { class: "task" },
      h("span", { role: "img", "aria-label": done ? "done" : "open" }, done ? "☑" : "☐"),
      " ",
      content,
    );
  }

  /** @param {string[]} lines @param {number} at @returns {[Node, number]} */
  #table(lines, at) {
    const head = cellsOf(lines[at] ?? "");
    const sides = cellsOf(lines[at + 1] ?? "").map((cell) => {
      return cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "end") : "start";
    });
    /** @param {"td" | "th"} tag */
    const row = (tag) => (/** @type {string[]} */ cells) => {
      const elements = head.slice(0, cells.length).map((_, index) => {
        return h(tag, { class: `to-${sides[index] ?? "start"}` }, this.inline(cells[index] ?? "", 0));
      });
      return h("tr", {}, elements);
    };
    const body = h("tbody");
    let end = at + 2;
    for (; end < lines.length && (lines[end] ?? "").includes("|") && this.#left > 0; end++) {
      const cells = cellsOf(lines[end] ?? "");
      body.append(row("td")(cells));
      this.#left -= 1 + Math.min(cells.length, head.length);
    }
    const table = h("table", {}, h("thead", {}, row("th")(head)), body);
    return [h("div", { class: "wide", tabindex: "0" }, table), end];
  }

  /** @param {string} text @param {number} depth @returns {Node[]} */
  inline(text, depth) {
    /** @type {Node[]} */
    const nodes = [];
    let plain = "";
    const spans = new Spans(text);
    const flush = () => {
      if (plain !== "") nodes.push(document.createTextNode(plain));
      plain = "";
    };
    for (let at = 0; at < text.length;) {
      const found = depth < DEPTH && this.#left > 0 ? this.#span(text, at, depth, spans) : null;
      if (found) {
        flush();
        this.#left -= 1;
        nodes.push(...found[0]);
        at = found[1];
      } else {
        plain += text[at];
        at += 1;
      }
    }
    flush();
    return nodes;
  }

  /**
   * The span that begins at an offset, and its end; null for a plain character.
   *
   * @param {string} text
   * @param {number} at
   * @param {number} depth
   * @param {Spans} spans
   * @returns {[Node[], number] | null}
   */
  #span(text, at, depth, spans) {
    switch (text[at]) {
      case "\\":
        if (text[at + 1] === "\n") return [[h("br")], at + 2];
        return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "")
          ? [[document.createTextNode(text[at + 1] ?? "")], at + 2]
          : null;
      case "`":
        return codeSpan(spans.code(at));
      case "!":
        return text[at + 1] === "[" ? this.#link(text, at + 1, depth, spans, true) : null;
      case "[":
        return this.#footnote(text, at) ?? this.#link(text, at, depth, spans, false);
      case "<":
        return this.#tag(text, at);
      case "*":
      case "_":
      case "~":
        return this.#emphasis(text, at, depth, spans);
      case " ":
        return text.startsWith("  \n", at) ? [[h("br")], at + 3] : null;
      case "h":
        return this.#bareUrl(text, at);
      case "&":
        return entity(text, at);
      default:
        return null;
    }
  }

  /** @param {string} text @param {number} at @param {number} depth @param {Spans} spans @returns {[Node[], number] | null} */
  #emphasis(text, at, depth, spans) {
    const mark = text[at] ?? "";
    const run = /^(?:\*{1,3}|_{1,3}|~~)/.exec(text.slice(at, at + 3))?.[0];
    const before = text[at - 1] ?? " ";
    if (!run || /\s|^$/.test(text[at + run.length] ?? "") || (mark === "_" && /\w/.test(before))) return null;
    let end = spans.emphasisEnd(run, at + run.length + 1);
    if (end < 0 || end - at > 2_000) return null;
    while (text[end + run.length] === mark) end += 1;
    const inner = this.inline(text.slice(at + run.length, end), depth + 1);
    if (mark === "~") return [[h("del", {}, inner)], end + 2];
    const element = run.length === 1 ? h("em", {}, inner) : h("strong", {}, inner);
    return [[run.length === 3 ? h("em", {}, element) : element], end + run.length];
  }

  /**
   * @param {string} text
   * @param {number} at Offset of the bracket.
   * @param {number} depth
   * @param {Spans} spans
   * @param {boolean} isImage
   * @returns {[Node[], number] | null}
   */
  #link(text, at, depth, spans, isImage) {
    const close = spans.closingBracket(at);
    if (close < 0) return null;
    const label = text.slice(at + 1, close);
    const { target, end } = destinationAt(text, close + 1) ?? this.#targetOf(text, close + 1, label);
    if (target === undefined) return null;
    return [[isImage ? this.#image(target, label) : this.#anchor(target, this.inline(label, depth + 1))], end];
  }

  /** @param {string} text @param {number} at Offset of a possible reference. @param {string} label */
  #targetOf(text, at, label) {
    const reference = referenceAt(text, at);
    const name = reference || label;
    const target = name.length <= REFERENCE ? this.#links.get(name.toLowerCase()) : undefined;
    return { target, end: reference === null ? at : at + reference.length + 2 };
  }

  /** @param {string} target @param {Node[]} content */
  #anchor(target, content) {
    if (target.startsWith("#")) return h("a", { href: `#md-${target.slice(1)}` }, content);
    const url = safeUrl(target, this.#base);
    return url ? h("a", { href: url.href, rel: "noopener noreferrer" }, content) : h("span", {}, content);
  }

  /**
   * An image from another site would reveal the reader to it: it becomes a link.
   *
   * @param {string} target
   * @param {string} alt
   * @param {Record<string, string | undefined>} [size] Its width and height, if they are given.
   */
  #image(target, alt, size = {}) {
    const url = safeUrl(target, this.#base);
    const label = alt || "image";
    if (!url || url.protocol === "mailto:") return document.createTextNode(label);
    if (url.origin === location.origin) return h("img", { src: url.href, alt, loading: "lazy", ...size });
    return h("a", { href: url.href, rel: "noopener noreferrer" }, label);
  }

  /** @param {string} text @param {number} at @returns {[Node[], number] | null} */
  #tag(text, at) {
    const auto = /^<((?:https?|mailto):[^\s<>]+)>/.exec(text.slice(at, at + 2_000));
    if (auto) return [[this.#anchor(auto[1] ?? "", [document.createTextNode(auto[1] ?? "")])], at + auto[0].length];
    const tag = /^<\/?([a-z][a-z0-9-]*)(\s[^<>]*)?\/?>/i.exec(text.slice(at, at + 2_000));
    if (!tag) return null;
    const end = at + tag[0].length;
    const name = tag[1]?.toLowerCase();
    if (name === "br") return [[h("br")], end];
    const source = name === "img" ? /\ssrc\s*=\s*["']?([^"'\s>]+)/i.exec(tag[0])?.[1] : undefined;
    const alt = /\salt\s*=\s*"([^"]*)"/i.exec(tag[0])?.[1] ?? "";
    const size = { width: sizeIn(tag[0], "width"), height: sizeIn(tag[0], "height") };
    return [source ? [this.#image(source, alt, size)] : [], end];
  }

  /** @param {string} text @param {number} at @returns {[Node[], number] | null} */
  #bareUrl(text, at) {
    if (/\w/.test(text[at - 1] ?? "")) return null;
    const url = /^https?:\/\/[^\s<>"'`\])]+[^\s<>"'`\]).,;:!?]/.exec(text.slice(at, at + 2_000))?.[0];
    return url ? [[this.#anchor(url, [document.createTextNode(url)])], at + url.length] : null;
  }
}

const SIZES = { width: /\swidth\s*=\s*["']?(\d{1,4}%?)/i, height: /\sheight\s*=\s*["']?(\d{1,4})/i };

/** @param {string} tag @param {"width" | "height"} side */
function sizeIn(tag, side) {
  return SIZES[side].exec(tag)?.[1];
}

const ALIGNED = /^<(?:p|div|h([1-6]))\s+align\s*=\s*["']?(center|right)["']?\s*>/i;

/** Maximum number of lines of a summary. */
const SUMMARY = 10;

/** The summary at the beginning of a part, and what follows it. @param {string[]} lines */
function summaryOf(lines) {
  const head = lines.slice(0, SUMMARY).join("\n");
  const start = /^\s*<summary>/i.exec(head.slice(0, 200))?.[0].length ?? -1;
  const end = head.indexOf("</summary>");
  if (start < 0 || end < start) return { summary: t("Details"), rest: lines };
  const rest = [...head.slice(end + "</summary>".length).split("\n"), ...lines.slice(SUMMARY)];
  return { summary: head.slice(start, end).trim(), rest };
}

/**
 * Links within the text scroll to their places, and links to files of the list open their previews.
 *
 * @param {MouseEvent} event
 * @param {HTMLElement} article
 */
function followLink(event, article) {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const target = link.getAttribute("href") ?? "";
  if (target.startsWith("#")) {
    if (!article.closest("dialog")) return; // the browser does it, and the address says so
    event.preventDefault();
    const place = article.querySelector(`[id="${CSS.escape(decodedHash(target))}"]`);
    for (let part = place; part; part = part.parentElement) if (part instanceof HTMLDetailsElement) part.open = true;
    place?.scrollIntoView();
    return;
  }
  const folder = urlOf({ href: "./" });
  const entry = link.href.startsWith(folder) &&
    entryAt(store.state, link.href.slice(folder.length).replace(/[?#].*/, ""));
  if (!entry || !isShown(entry)) return;
  event.preventDefault();
  openPreview(entry);
}

/** @param {string} hash */
function decodedHash(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return hash.slice(1);
  }
}

/** The text of a heading without its closing marks. @param {string} rest The line after the opening marks. */
function headingText(rest) {
  return rest.trim().replace(/(?:^|\s)#+$/, "").trimEnd();
}

/** Whether a line is the delimiter row of a table. @param {string} line */
function isTableRule(line) {
  if (!/^ {0,3}[|:\s-]+$/.test(line)) return false;
  const cells = cellsOf(line);
  return cells.length <= COLUMNS && cells.every((cell) => /^:?-+:?$/.test(cell));
}

/** @param {string[]} lines @param {number} at @returns {[Node, number]} */
function fenced(lines, at) {
  const [, fence = "```", language = ""] = FENCE.exec(lines[at] ?? "") ?? [];
  const indent = (lines[at] ?? "").search(/\S/);
  let end = at + 1;
  while (end < lines.length && !isClosing(lines[end] ?? "", fence)) end += 1;
  const code = lines.slice(at + 1, end).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
  return [codeBlock(code, language.toLowerCase()), end + 1];
}

/** @param {string} line @param {string} fence */
function isClosing(line, fence) {
  const text = line.trim();
  return text.length >= fence.length && text === (fence[0] ?? "").repeat(text.length);
}

/** @param {string[]} lines @param {number} at @returns {[Node, number]} */
function indented(lines, at) {
  let end = at;
  while (end < lines.length && (/^ {4}/.test(lines[end] ?? "") || (lines[end] ?? "").trim() === "")) end += 1;
  const code = lines.slice(at, end).map((line) => line.slice(4));
  while (code.at(-1)?.trim() === "") code.pop();
  return [codeBlock(code), end];
}

/** @param {string[]} lines @param {string} [language] */
function codeBlock(lines, language) {
  return h("pre", { tabindex: "0" }, h("code", { "data-language": language || null }, lines.join("\n")));
}

/** @param {{ ticks: string, code: string | null, end: number }} span @returns {[Node[], number]} */
function codeSpan({ ticks, code, end }) {
  return [[code === null ? document.createTextNode(ticks) : h("code", {}, code)], end];
}

/** @type {Record<string, string>} */
const ENTITIES = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  nbsp: "\u00a0",
  copy: "©",
  mdash: "—",
  ndash: "–",
  hellip: "…",
};

/** @param {string} text @param {number} at @returns {[Node[], number] | null} */
function entity(text, at) {
  const match = /^&(\w{2,8});/.exec(text.slice(at, at + 10));
  const character = match && ENTITIES[match[1] ?? ""];
  return match && character ? [[document.createTextNode(character)], at + match[0].length] : null;
}

/** @param {string} line */
function cellsOf(line) {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** A URL that is safe to follow, or null. @param {string} target @param {string} base */
function safeUrl(target, base) {
  try {
    const url = new URL(target, base);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}
