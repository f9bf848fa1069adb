/** `--trusted-proxy`: who may say who the client is. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { ENGINES, runCommand, start } from "../support/command.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const FIELD = "X-Forwarded-For: 6.6.6.6, 192.0.2.7";

Deno.test("the log has the address that a trusted proxy names, with each engine", async (t) => {
  await using tree = await tempTree({ "a.txt": "a" });
  for (const engine of ENGINES) {
    await t.step(engine.join(" ") || "HTTP/1.1", async () => {
      await using command = await start([tree.path, ...engine, "--trusted-proxy", "10.0.0.0/8,127.0.0.1"]);
      await ask(command.port, "GET", "/a.txt", FIELD);
      await ask(command.port, "GET", "/a.txt", FIELD); // from the cache
      await command.untilStderr("GET /a.txt");
      assertEquals(await command.stop(), 0);
      assertEquals(command.stderr().match(/^192\.0\.2\.7 - - /gm)?.length, 2);
    });
  }
});

Deno.test("without a trusted proxy, nobody says so", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  for (const words of [[], ["--trusted-proxy", "10.0.0.0/8"]]) {
    await using command = await start([tree.path, ...words]);
    await ask(command.port, "GET", "/a.txt", FIELD);
    await command.untilStderr("127.0.0.1 - - ");
  }
});

Deno.test("failed logins are throttled by the address that a trusted proxy names", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const env = { WHO: "ann:right password" };
  await using command = await start([tree.path, "--auth-env", "WHO", "--trusted-proxy", "127.0.0.1"], { env });
  const as = async (client: string, password: string) => {
    const credentials = `Authorization: Basic ${btoa(`ann:${password}`)}`;
    return (await ask(command.port, "GET", "/a.txt", `X-Forwarded-For: ${client}`, credentials)).status;
  };
  assertEquals(await as("192.0.2.1", "right password"), 200);
  let last = 0;
  for (let time = 0; time < 30 && last !== 429; time++) last = await as("192.0.2.66", "wrong");
  assertEquals([last, await as("192.0.2.1", "right password")], [429, 200]);
});

const FIELDS = {
  "x-forwarded": ["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"],
  "forwarded": ["Forwarded: for=192.0.2.7;proto=https"],
} as const;

Deno.test("a trusted proxy says whether the client uses HTTPS, in the chosen form, with each engine", async (t) => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  const script = '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n$REMOTE_ADDR $REQUEST_SCHEME $HTTPS"\n';
  await Deno.mkdir(tree.at("site/cgi-bin"));
  await Deno.writeTextFile(tree.at("site/cgi-bin/who"), script, { mode: 0o755 });
  const env = { WHO: "ann:right password" };
  const args = [
    tree.at("site"),
    "--cgi",
    "--auth-env",
    "WHO",
    "--public",
    "--hsts=60",
    "--allow-host",
    "files.example",
  ];
  for (const engine of ENGINES) {
    for (const form of ["x-forwarded", "forwarded"] as const) {
      await t.step([form, ...engine].join(" "), async () => {
        await using server = await start([...args, ...engine, "--trusted-proxy", "127.0.0.1", "--forwarded", form], {
          env,
        });
        const seen = async (...fields: string[]) => {
          const credentials = `Authorization: Basic ${btoa("ann:right password")}`;
          const { text } = await ask(server.port, "GET", "/cgi-bin/who", credentials, ...fields);
          const { headers } = await raw(server.port, requestFor("files.example", fields));
          return [text, headers.get("strict-transport-security"), cookieNames(await login(server.port, fields))];
        };
        const other = form === "forwarded" ? "x-forwarded" : "forwarded";
        assertEquals(await seen(...FIELDS[form]), ["192.0.2.7 https on", "max-age=60", "__Host-pyserve Secure"]);
        assertEquals(await seen(...FIELDS[other]), ["127.0.0.1 http ", null, "pyserve"]);
        assertEquals(await seen(), ["127.0.0.1 http ", null, "pyserve"]);
      });
    }
  }
});

function requestFor(host: string, fields: readonly string[]): string {
  return `GET /a.txt HTTP/1.1\r\n${[`Host: ${host}`, "Connection: close", ...fields].join("\r\n")}\r\n\r\n`;
}

/** The cookie that logging in sets. */
async function login(port: number, fields: readonly string[]): Promise<string> {
  const form = "username=ann&password=right+password";
  const type = "Content-Type: application/x-www-form-urlencoded";
  const lines = ["Host: localhost", type, `Content-Length: ${form.length}`, "Connection: close", ...fields];
  const { headers } = await raw(port, `POST /.pyserve/login HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${form}`);
  return headers.get("set-cookie") ?? "";
}

function cookieNames(cookie: string): string {
  const name = /^[^=]+?(?=-\d+=|=)/.exec(cookie)?.[0] ?? "none";
  return /; Secure$/.test(cookie) ? `${name} Secure` : name;
}

Deno.test("what is not an address is refused", async () => {
  const { code, stderr } = await runCommand(["--trusted-proxy", "10.0.0.0/8,nginx"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "it is not a list of addresses");
});
