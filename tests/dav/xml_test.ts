import { assertEquals, assertRejects } from "@std/assert";
import { HttpError } from "../../handlers/core/errors.ts";
import { readXml, type XmlElement, type XmlLimits } from "../../handlers/dav/xml.ts";
import { escapeXml, formatElement } from "../../handlers/dav/xml_text.ts";

function read(text: string | Uint8Array<ArrayBuffer>, limits?: XmlLimits): Promise<XmlElement | null> {
  return readXml(new Response(text).body, limits);
}

async function statusOf(text: string | Uint8Array<ArrayBuffer>, limits?: XmlLimits): Promise<number> {
  return (await assertRejects(() => read(text, limits), HttpError)).status;
}

Deno.test("xml: an empty body is no document", async () => {
  assertEquals(await readXml(null), null);
  assertEquals(await read(""), null);
});

Deno.test("xml: names, namespaces, text and languages", async () => {
  const root = await read(
    `\ufeff<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- a --><D:propertyupdate xmlns:D="DAV:" xml:lang='de' a="1&#x26;2">` +
      `<D:set>x&lt;<![CDATA[<y>]]><p xmlns="urn:p" D:b="2"/>z</D:set><none/></D:propertyupdate><?end it?>\n`,
  );
  assertEquals([root!.namespace, root!.name, root!.language], ["DAV:", "propertyupdate", "de"]);
  assertEquals(root!.attributes[1], { namespace: "", name: "a", value: "1&2" });
  const [set, none] = root!.children;
  assertEquals([set!.namespace, set!.text, set!.content.length, set!.language], ["DAV:", "x<<y>z", 3, "de"]);
  assertEquals([set!.children[0]!.namespace, set!.children[0]!.attributes], ["urn:p", [
    { namespace: "DAV:", name: "b", value: "2" },
  ]]);
  assertEquals([none!.namespace, none!.name], ["", "none"]);
});

Deno.test("xml: what is written means the same when read", async () => {
  const texts = [
    `<a xmlns="urn:a" xmlns:b="urn:b" b:c="&quot;&#10;&lt;" xml:lang="fr">&amp;<b:d/><e xmlns="">t&#13;</e> ]] </a>`,
    `<x:a xmlns:x="urn:x"><x:b><y:c xmlns:y="urn:y" x:q="1" y:q="2">é𐀀</y:c></x:b></x:a>`,
  ];
  for (const text of texts) {
    const element = await read(text);
    assertEquals(await read(`<o xmlns="DAV:">${formatElement(element!)}</o>`).then((o) => o!.children[0]), element!);
  }
});

Deno.test("xml: the language of an outer element goes with an element that is written alone", async () => {
  const root = await read(`<a xml:lang="en"><b>t</b></a>`);
  assertEquals(formatElement(root!.children[0]!), `<b xmlns="" xml:lang="en">t</b>`);
});

Deno.test("xml: characters that XML cannot represent are replaced", () => {
  assertEquals(escapeXml("a\x00\x1b\ud800\uffff<&>\"'"), "a\ufffd\ufffd\ufffd\ufffd&lt;&amp;&gt;&quot;'");
});

Deno.test("xml: UTF-16 with a byte order mark; no other encodings", async () => {
  const utf16 = new Uint8Array(Uint16Array.from("\ufeff<é/>", (each) => each.charCodeAt(0)).buffer);
  assertEquals((await read(utf16))!.name, "é");
  assertEquals(await statusOf(`<?xml version="1.0" encoding="iso-8859-1"?><a/>`), 400);
  assertEquals(await statusOf(Uint8Array.of(0x3c, 0xe9, 0x2f, 0x3e)), 400);
});

const BOMB = `<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>`;

Deno.test("xml: bombs, entities and deep or large documents are refused", async () => {
  assertEquals(await statusOf(BOMB), 400);
  assertEquals(await statusOf(`<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`), 400);
  assertEquals(await statusOf(`<a>&b;</a>`), 400);
  assertEquals(await statusOf("<a>".repeat(33)), 400);
  assertEquals(await statusOf(`<a>${"<b/>".repeat(1_000)}</a>`), 400);
  assertEquals(await statusOf(`<a ${Array.from({ length: 1_000 }, (_, at) => `a${at}="" `).join("")}/>`), 400);
  assertEquals(await statusOf(`<${"a".repeat(1_025)}/>`), 400);
  assertEquals(await statusOf(`<a xmlns="${"a".repeat(1_025)}"/>`), 400);
  assertEquals(await statusOf(`<a>${" ".repeat(65_536)}</a>`), 413);
  assertEquals(await statusOf("<a><b></b></a>", { maxDepth: 1 }), 400);
});

/** Documents that are malformed, each in its own way, and some that are not. */
const DOCUMENTS = [
  `<a/>`,
  `<a></a>`,
  `<a ></a >`,
  `<a b='1' c="2"/>`,
  `<p:a xmlns:p="urn:p" p:b="1"><p:c/></p:a>`,
  `<a xmlns="urn:a"><b xmlns="">t</b></a>`,
  `<!-- c --><a>&#65;&#x42;&amp;&apos;</a><!-- d --> `,
  `<a><![CDATA[]]]]><![CDATA[>]]></a>`,
  `<a><?pi x?><?pi?></a>`,
  `<a>é𐀀</a>`,
  `<a>`,
  `<a></b>`,
  `<a/><b/>`,
  `t<a/>`,
  `<a/>t`,
  `<a b/>`,
  `<a b=1/>`,
  `<a b="<"/>`,
  `<a b="1"c="2"/>`,
  `<a b="1" b="2"/>`,
  `<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`,
  `<p:a/>`,
  `<a p:b="1"/>`,
  `<a xmlns:p=""/>`,
  `<a xmlns:xml="urn:x"/>`,
  `<a xmlns:xmlns="urn:x"/>`,
  `<a xmlns="http://www.w3.org/2000/xmlns/"/>`,
  `<a>&b;</a>`,
  `<a>&</a>`,
  `<a>&#0;</a>`,
  `<a>&#xd800;</a>`,
  `<a>&#1114112;</a>`,
  `<a>]]></a>`,
  `<a><!-- -- --></a>`,
  `<a><?xml version="1.0"?></a>`,
  `<1/>`,
  `<a:/>`,
  `<:a/>`,
  `<a:b:c xmlns:a="u"/>`,
  `< a/>`,
  `<a/ >`,
  `<a\x01/>`,
  `<a>\ufffe</a>`,
  ``,
  `   `,
  `<`,
  `<!`,
  `<a><![CDATA[</a>`,
];

Deno.test("xml: expat accepts and refuses the same documents, and changed ones", async () => {
  const isComparable = (document: string) => document !== "" && !/<!(?!--|\[CDATA\[)|<\?xml/i.test(document);
  const documents = [...DOCUMENTS, ...changed(DOCUMENTS, 4_000)].filter(isComparable);
  const theirs = await byExpat(documents);
  let accepted = 0;
  for (const [at, document] of documents.entries()) {
    const own = await read(document).then((root) => shape(root!), () => null);
    assertEquals(own, theirs[at], JSON.stringify(document));
    if (own !== null) accepted += 1;
  }
  assertEquals(accepted > 200, true, `${accepted} accepted`);
});

Deno.test("xml: elements with the prefix xml are refused, because none could be written again without a prefix", async () => {
  assertEquals(await statusOf(`<xml:a/>`), 400);
  assertEquals(await statusOf(`<a><b><xml:c>text</xml:c></b></a>`), 400);
});

Deno.test("xml: declarations", async () => {
  for (const well of [`<?xml version="1.0"?>`, `<?xml version='1.1' encoding='US-ASCII' standalone="yes" ?>\n`]) {
    assertEquals((await read(`${well}<a/>`))!.name, "a");
  }
  const ill = [`<?xml?>`, `<?xml version="2.0"?>`, `<?xml encoding="utf-8"?>`, ` <?xml version="1.0"?>`];
  for (const each of ill) assertEquals(await statusOf(`${each}<a/>`), 400, each);
});

/** Documents with characters removed, repeated or exchanged, always the same ones. */
function* changed(documents: readonly string[], count: number): Generator<string> {
  let seed = 1;
  const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const marks = [..."<>/&;:=\"'!?-[]ax \n#é", "]]>", "xmlns", "<!--", "-->", "&lt;", "<b>", "</b>"];
  for (let made = 0; made < count; made++) {
    let text = documents[next(documents.length)]!;
    for (let changes = next(3); changes >= 0; changes--) {
      const at = next(text.length + 1);
      text = text.slice(0, at) + (next(3) === 0 ? "" : marks[next(marks.length)]) + text.slice(at + next(2));
    }
    yield text.toWellFormed();
  }
}

/** Names, attributes and text of a document in their order. */
function shape({ namespace, name, attributes, content }: XmlElement): unknown {
  const own = attributes.map((each) => `${each.namespace} ${each.name}=${each.value}`).sort();
  return [`${namespace} ${name}`, own, content.map((part) => typeof part === "string" ? part : shape(part))];
}

/** The same of documents as Python's parser reads them, null for those that it refuses. */
async function byExpat(documents: readonly string[]): Promise<unknown[]> {
  const python = new Deno.Command("python3", { args: ["-c", EXPAT], stdin: "piped", stdout: "piped" }).spawn();
  const output = python.output();
  await new Blob([JSON.stringify(documents)]).stream().pipeTo(python.stdin);
  return JSON.parse(new TextDecoder().decode((await output).stdout));
}

const EXPAT = `
import json, sys
from xml.parsers import expat

def shape(document):
    parser = expat.ParserCreate("utf-8", "\\x01")
    parser.buffer_text = True
    stack = [[]]
    def expanded(name):
        return name.replace("\\x01", " ") if "\\x01" in name else " " + name
    def start(name, attributes):
        content = []
        own = sorted(expanded(name) + "=" + value for name, value in attributes.items())
        stack[-1].append([expanded(name), own, content])
        stack.append(content)
    def text(text):
        if stack[-1] and isinstance(stack[-1][-1], str):
            stack[-1][-1] += text
        else:
            stack[-1].append(text)
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: stack.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(document.encode("utf-8"), True)
        return stack[0][0]
    except expat.ExpatError:
        return None

print(json.dumps([shape(document) for document in json.load(sys.stdin)]))
`;
