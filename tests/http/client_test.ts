/** What identifies a client for limits: its address, never the port of a connection. */

import { assertEquals } from "@std/assert";
import { clientOf } from "../../handlers/http/client.ts";

const forwarded = (text: string) => clientOf("127.0.0.1", new Headers({ "x-forwarded-for": text }));

Deno.test("a client is the same from every port of its address", () => {
  for (const text of ["9.9.9.9", "9.9.9.9:1", "9.9.9.9:65535", "9.9.9.9:", "1.1.1.1:7, 9.9.9.9:2"]) {
    assertEquals(forwarded(text), "9.9.9.9", text);
  }
  for (const text of ["2001:db8:1:2::3", "[2001:db8:1:2::3]", "[2001:db8:1:2::4]:1", "[2001:db8:1:2::4]:65535"]) {
    assertEquals(forwarded(text), "2001:db8:1:2", text);
  }
  assertEquals(forwarded("[::ffff:9.9.9.9]:80"), "::ffff:9.9.9.9");
  assertEquals(clientOf("::ffff:9.9.9.9", new Headers()), "::ffff:9.9.9.9");
});

Deno.test("what is too long to be an address is no client of its own", () => {
  assertEquals(forwarded("9".repeat(65)), "");
});
