/** The character encoding that a document declares. */

import { assertEquals } from "@std/assert";
import { declaredCharset, documentType } from "@x/pyserve/http";
import { latin1 } from "../support/raw.ts";

const HTML: readonly (readonly [text: string, declared: string | null])[] = [
  ["", null],
  ["caf\xe9", null],
  ["<!DOCTYPE html><title>x</title>", null],
  ['<meta charset="utf-8">', "utf-8"],
  ["<META CHARSET=UTF8>", "utf-8"],
  ["<meta charset='iso-8859-1'>", "windows-1252"],
  ["<meta/charset=koi8-r/>", null], // "koi8-r/" is no label, because a value without quotes goes on to the space
  ["<meta/charset=koi8-r />", "koi8-r"],
  ["<!DOCTYPE html>\n<html lang=de>\n<head>\n <meta name=x content=y>\n <meta charset = ' gbk ' >", "gbk"],
  ['<meta http-equiv="Content-Type" content="text/html; charset=shift_jis">', "shift_jis"],
  ["<meta content='text/html;charset = \"big5\"' http-equiv=content-type>", "big5"],
  ['<meta content="text/html; charset=big5">', null], // without http-equiv it says nothing
  ['<meta http-equiv=refresh content="0; charset=big5">', null],
  ["<meta charset=utf-16le>", "utf-8"], // what could be read is no declaration
  ["<meta charset=utf-99>", null],
  ["<meta charset=utf-99><meta charset=koi8-r>", "koi8-r"],
  ["<meta charset=koi8-r><meta charset=utf-8>", "koi8-r"],
  ["<meta charset=koi8-r charset=utf-8>", "koi8-r"],
  ["<!-- <meta charset=koi8-r> --><p>", null],
  ["<!-- <meta charset=koi8-r>", null],
  ["<!--><meta charset=koi8-r>", "koi8-r"],
  ["<!-- --><meta charset=koi8-r>", "koi8-r"],
  ['<p title="<meta charset=koi8-r>">', null],
  ["<p title='>'><meta charset=koi8-r>", "koi8-r"],
  ["</ <meta charset=koi8-r>", null],
  ["<!x <meta charset=koi8-r>", null],
  ["<metadata charset=koi8-r>", null],
  ["<meta charset=koi8-r", null], // incomplete
  ['<meta charset="koi8-r', null],
  ["charset=koi8-r < <meta>", null],
  ['<?xml version="1.0" encoding="koi8-r"?><html>', "koi8-r"],
  ['<!-- --><?xml version="1.0" encoding="koi8-r"?>', null],
  ["\xef\xbb\xbf<meta charset=koi8-r>", "utf-8"],
  ["\xff\xfe<\0", "utf-16le"],
  ["\xfe\xff\0<", "utf-16be"],
  [" ".repeat(1003) + "<meta charset=gbk>", "gbk"], // up to 1,024 bytes
  [" ".repeat(1007) + "<meta charset=gbk>", null],
];

const CSS: typeof HTML = [
  ['@charset "koi8-r"; a {}', "koi8-r"],
  ['@charset "utf-16be"; a {}', "utf-8"],
  ["@charset 'koi8-r'; a {}", null],
  [' @charset "koi8-r";', null],
  ["\xef\xbb\xbfa {}", "utf-8"],
  ["<meta charset=koi8-r>", null],
];

Deno.test("declaredCharset() finds what browsers find", async (t) => {
  for (const [type, rows] of [["text/html", HTML], ["text/css", CSS]] as const) {
    for (const [text, declared] of rows) {
      await t.step(`${type} ${JSON.stringify(text.trim())}: ${declared}`, () => {
        assertEquals(declaredCharset(type, latin1(text)), declared);
      });
    }
  }
});

Deno.test("declaredCharset() takes linear time, even for hostile input", () => {
  const hard = ["<", "<!--", "<a ", '<a b="', "<meta charset", "<a b= ", "<meta charset='", "<a/"];
  for (const text of hard) assertEquals(declaredCharset("text/html", latin1(`charset ${text.repeat(1024)}`)), null);
});

Deno.test("documentType() declares a known charset, and never overrides a document", () => {
  const rows = [
    ["<p>", "utf-8", "text/html; charset=utf-8"],
    ["<p>", "koi8-r", "text/html; charset=koi8-r"],
    ["<meta charset=utf-8>", "koi8-r", "text/html; charset=utf-8"],
    ["<meta charset=gbk>", "utf-8", "text/html"],
    ["<meta charset=gbk>", "gbk", "text/html; charset=gbk"],
    ["\xff\xfe", "utf-8", "text/html"],
  ] as const;
  for (const [text, fallback, type] of rows) assertEquals(documentType("text/html", fallback, latin1(text)), type);
});
