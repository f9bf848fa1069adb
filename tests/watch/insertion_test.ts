/** Where the module goes in an HTML document, however it is divided into chunks. */

import { assertEquals } from "@std/assert";
import { insertedInHead } from "../../handlers/watch/html_insertion.ts";

/** Documents; `|` is where the markup belongs. */
const DOCUMENTS: readonly string[] = [
  "<!doctype html><html><head>|<title>x</title></head></html>",
  "<!DOCTYPE html>\n<HTML lang='a>b'>\n<HEAD data-x=\">\">|\n<base href='/x/'>",
  "<!doctype html>|<title>x</title>",
  "<!doctype html>\n<html>|<body><head>",
  "<!-- a license <head> -->\n<!doctype html>\n<!-- another --><html><head>|</head>",
  "<?xml version='1.0'?><!DOCTYPE html><html><head>|",
  "<html>|<header>no head</header>",
  "|<h1>a fragment</h1>",
  "|text <head> later",
  "|",
  "  |  text".replace("|", "").replace(/^/, "|"),
  "\ufeff<!doctype html><head>|<p>ü",
  "\ufeff|<p>ü 🐍",
  "<!-- unfinished <html><head>",
  "<!doctype html",
  "<head title='unfinished>",
];

async function inserted(bytes: Uint8Array<ArrayBuffer>, size: number): Promise<string> {
  const chunks = function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
  };
  const out = await new Response(insertedInHead(ReadableStream.from(chunks()), "|")).bytes();
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(out);
}

Deno.test("the module goes behind doctype, comments, html and head, in chunks of any size", async () => {
  for (const document of DOCUMENTS) {
    const bytes = new TextEncoder().encode(document.replace("|", ""));
    for (const size of [1, 2, 7, 1000]) assertEquals(await inserted(bytes, size), document, `${size}`);
  }
});

Deno.test("a document in UTF-16, or with a comment that never ends, stays as it is", async () => {
  const utf16 = new Uint8Array([0xff, 0xfe, ...[..."<head>"].flatMap((each) => [each.charCodeAt(0), 0])]);
  const comment = new TextEncoder().encode(`<!--${"x".repeat(200_000)}--><head>`);
  for (const bytes of [utf16, comment]) {
    const out = await new Response(insertedInHead(new Blob([bytes]).stream(), "|")).bytes();
    assertEquals(out, bytes);
  }
});
