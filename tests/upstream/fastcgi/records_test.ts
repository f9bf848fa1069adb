/** FastCGI's records: encoding, and decoding however the bytes are split. */

import { assert, assertEquals } from "@std/assert";
import {
  encodeRequest,
  encodeStdin,
  END_OF_STDIN,
  type FastCgiRecord,
  RecordDecoder,
  RecordType,
  type ReplyPart,
  replyPart,
} from "../../../handlers/upstream/fastcgi/records.ts";
import { Refusal } from "../../../handlers/http/refusal.ts";
import { pairsOf, recordBytes } from "../../support/fastcgi_responder.ts";

Deno.test("a request is, byte by byte, that of the specification", () => {
  const bytes = encodeRequest([["A", "bc"]], true);
  assertEquals([...bytes], [
    ...[1, 1, 0, 1, 0, 8, 0, 0], // BEGIN_REQUEST, id 1, 8 bytes
    ...[0, 1, 1, 0, 0, 0, 0, 0], // responder, keep the connection
    ...[1, 4, 0, 1, 0, 5, 0, 0], // PARAMS, 5 bytes
    ...[1, 2, 0x41, 0x62, 0x63],
    ...[1, 4, 0, 1, 0, 0, 0, 0], // end of PARAMS
  ]);
  assertEquals(encodeRequest([], false)[10], 0, "keep");
  assertEquals([...END_OF_STDIN], [1, 5, 0, 1, 0, 0, 0, 0]);
});

Deno.test("names and values of every length come back, those over 127 bytes with lengths of four", () => {
  const lengths = [0, 1, 127, 128, 255, 256, 65_535, 70_000];
  const pairs = lengths.map((length) => [`N${length}`.padEnd(length, "n"), "v".repeat(length)] as const);
  assertEquals(pairsOf(paramsIn(decoded(encodeRequest(pairs, false)))), pairs.map((pair) => [...pair]));
  const [long] = decoded(encodeRequest([["x".repeat(128), "y"]], false)).slice(1);
  assertEquals([...long!.content.subarray(0, 5)], [0x80, 0, 0, 128, 1]);
});

Deno.test("text is sent as UTF-8, and lengths count its bytes", () => {
  const params = paramsIn(decoded(encodeRequest([["PATH_INFO", "/ä/€"]], false)));
  assertEquals(params[1], 7);
  assertEquals(pairsOf(params), [["PATH_INFO", "/ä/€"]]);
});

Deno.test("a body of any length is complete in its records, and none of them is empty", () => {
  for (const length of [1, 8, 65_528, 65_529, 65_535, 65_536, 200_000]) {
    const body = bytesOf(length);
    const all = decoded(encodeStdin(body));
    assert(all.every(({ type, content }) => type === RecordType.stdin && content.length > 0), String(length));
    assertEquals(contents(all), body, String(length));
  }
  assertEquals(encodeStdin(new Uint8Array()).length, 0, "an empty chunk would end the body");
});

Deno.test("records are found however the bytes are split, padding left out", () => {
  let seed = 20_261_122;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 300; round++) {
    const sent = Array.from({ length: 1 + random(6) }, () => ({
      type: 1 + random(11),
      requestId: random(65_536),
      content: bytesOf([0, random(9), random(300), random(65_536)][random(4)]!),
    }));
    const wire = concat(sent.map((record) => recordBytes(record.type, record.content, record.requestId, random(256))));
    const decoder = new RecordDecoder();
    const found: FastCgiRecord[] = [];
    for (let at = 0; at < wire.length;) {
      const end = at + 1 + random([1, 10, 70_000][random(3)]!);
      const records = decoder.push(wire.slice(at, end));
      assert(!(records instanceof Refusal), `round ${round}`);
      found.push(...records);
      at = end;
    }
    assertEquals(found.map(({ type, requestId, content }) => ({ type, requestId, content })), sent, `round ${round}`);
    assert(!decoder.isInside, `round ${round}`);
  }
});

Deno.test("random bytes are refused or incomplete, and never throw", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  let refused = 0;
  for (let round = 0; round < 2_000; round++) {
    const decoder = new RecordDecoder();
    const noise = Uint8Array.from({ length: random(64) }, () => random(4) === 0 ? 1 : random(256));
    const records = decoder.push(noise);
    const parts = records instanceof Refusal ? [records] : records.map(replyPart);
    if (parts.some((part) => part instanceof Refusal)) refused++;
  }
  assert(refused > 1_000, String(refused));
});

Deno.test("another version is refused at its first byte", () => {
  for (const bytes of [[0], [2, 6, 0, 1, 0, 0, 0, 0], [...new TextEncoder().encode("HTTP/1.1 400 Bad Request")]]) {
    const verdict = new RecordDecoder().push(new Uint8Array(bytes));
    assert(verdict instanceof Refusal && verdict.status === 502, String(bytes));
  }
});

Deno.test("a record that is cut off is seen as begun", () => {
  const decoder = new RecordDecoder();
  const wire = recordBytes(RecordType.stdout, new Uint8Array(10), 1, 3);
  for (let at = 0; at < wire.length - 1; at++) {
    assertEquals(decoder.push(wire.slice(at, at + 1)), []);
    assert(decoder.isInside, `after ${at + 1} bytes`);
  }
  const records = decoder.push(wire.slice(-1));
  assert(!(records instanceof Refusal) && records.length === 1 && !decoder.isInside);
});

Deno.test("what a record means for a reply", () => {
  const bytes = new Uint8Array([1, 2]);
  assertEquals(part(RecordType.stdout, bytes), { kind: "stdout", bytes });
  assertEquals(part(RecordType.stderr, bytes), { kind: "stderr", bytes });
  const end = (...content: number[]) => part(RecordType.endRequest, new Uint8Array(content));
  assertEquals(end(0, 0, 0, 0, 0, 0, 0, 0), { kind: "end", appStatus: 0, protocolStatus: "request complete" });
  assertEquals(end(0xff, 0, 1, 2, 2, 0, 0, 0), {
    kind: "end",
    appStatus: 0xff000102,
    protocolStatus: "overloaded",
  });
});

Deno.test("what no responder sends is refused", () => {
  const refused: [type: number, content: number[], requestId: number][] = [
    [RecordType.stdout, [1], 2],
    [RecordType.stdout, [1], 0],
    [RecordType.endRequest, [0, 0, 0, 0, 0, 0, 0], 1],
    [RecordType.endRequest, [0, 0, 0, 0, 4, 0, 0, 0], 1],
    [RecordType.endRequest, [], 1],
    [RecordType.stdin, [0, 0, 0, 0, 0, 0, 0, 0], 1],
    [11, [0, 0, 0, 0, 0, 0, 0, 0], 1],
  ];
  for (const [type, content, requestId] of refused) {
    const verdict = replyPart({ type, requestId, content: new Uint8Array(content) });
    assert(verdict instanceof Refusal && verdict.status === 502, `${type} ${content} ${requestId}`);
  }
});

function part(type: number, content: Uint8Array<ArrayBuffer>): ReplyPart | Refusal {
  return replyPart({ type, requestId: 1, content });
}

function decoded(wire: Uint8Array): FastCgiRecord[] {
  const records = new RecordDecoder().push(wire.slice());
  assert(!(records instanceof Refusal));
  return records;
}

function paramsIn(records: readonly FastCgiRecord[]): Uint8Array {
  const params = records.filter(({ type }) => type === RecordType.params);
  assertEquals(params.at(-1)?.content.length, 0, "the end of PARAMS");
  return contents(params);
}

function contents(records: readonly FastCgiRecord[]): Uint8Array {
  return concat(records.map(({ content }) => content));
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function bytesOf(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}
