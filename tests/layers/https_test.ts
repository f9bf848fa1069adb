/** Layers for servers with HTTPS. */

import { assertEquals, assertThrows } from "@std/assert";
import { files, memory, toFetch, wrap } from "@x/pyserve";
import { authorityFile, hsts, redirectToHttps } from "@x/pyserve/layers";

const SITE = files(memory({ "a.txt": "hello" }));

async function ask(fetch: ReturnType<typeof toFetch>, url: string, init?: RequestInit) {
  const { status, headers, body } = await fetch(new Request(url, init));
  await body?.cancel();
  return { status, location: headers.get("location"), policy: headers.get("strict-transport-security") };
}

Deno.test("redirectToHttps keeps path and query, leaves HTTPS alone, and leads to own names only", async () => {
  let port = 443;
  const fetch = toFetch(wrap(SITE, redirectToHttps({ port: () => port })), { hosts: ["files.example"] });
  const location = async (url: string) => (await ask(fetch, url)).location;
  assertEquals(await location("http://localhost:8080/a.txt?x=1"), "https://localhost/a.txt?x=1");
  port = 8443;
  assertEquals(await location("http://files.example/"), "https://files.example:8443/");
  assertEquals(await location("http://[::1]:8080/a%2Fb"), null, "a refused target stays refused");
  assertEquals(await ask(fetch, "https://localhost/a.txt"), { status: 200, location: null, policy: null });
  // Without `hosts`, reading is allowed under any name, but a redirect to any would help phishing.
  const open = toFetch(wrap(SITE, redirectToHttps()));
  assertEquals(await ask(open, "http://evil.example/a.txt"), { status: 421, location: null, policy: null });
  assertEquals((await ask(open, "https://evil.example/a.txt")).status, 200);
});

Deno.test("hsts is for names over HTTPS only, and takes whole seconds", async () => {
  const fetch = toFetch(wrap(SITE, hsts(600)));
  const policy = async (url: string) => (await ask(fetch, url)).policy;
  assertEquals(await policy("https://files.example:8443/a.txt"), "max-age=600");
  const others = ["https://127.0.0.1/a.txt", "https://[fd00::2]/a.txt", "https://localhost/a.txt"];
  for (const url of [...others, "https://app.localhost./a.txt", "http://files.example/a.txt"]) {
    assertEquals(await policy(url), null, url);
  }
  for (const seconds of [-1, 0.5, NaN, Infinity]) assertThrows(() => hsts(seconds), RangeError);
});

Deno.test("authorityFile answers its path only, with what is current", async () => {
  let text = "first";
  const fetch = toFetch(wrap(SITE, authorityFile(() => text)));
  const get = async (path: string) => await (await fetch(new Request(`http://localhost${path}`))).text();
  assertEquals(await get("/.pyserve/ca.crt"), "first");
  text = "second";
  assertEquals(await get("/.pyserve/ca.crt"), "second");
  for (const path of ["/x/.pyserve/ca.crt", "/.pyserve/ca.crt?x", "/a.txt?/.pyserve/ca.crt"]) {
    assertEquals((await get(path)).includes("second"), false, path);
  }
});
