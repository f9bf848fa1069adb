/** Who may be asked under which name: no page of another site passes for one of this server by a name of its own. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { isOwnHost } from "@x/pyserve";
import { runCommand, start } from "./support/command.ts";
import { raw } from "./support/raw.ts";
import { settleTimes, tempTree } from "./support/tree.ts";

Deno.test("addresses and localhost are always own, other names where they are given", () => {
  const own = ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "192.0.2.7:1", "localhost", "LOCALHOST:8", "a.localhost."];
  const others = [
    "",
    "example.org",
    "localhost.example.org",
    "notlocalhost",
    "127.0.0.1.example.org",
    "1.2.3.4.5",
    "::1",
  ];
  for (const host of own) assertEquals([host, isOwnHost(host, [])], [host, true]);
  for (const host of others) assertEquals([host, isOwnHost(host, [])], [host, false]);
  assertEquals(isOwnHost("Files.Example.org:80", ["files.example.ORG"]), true);
  assertEquals(isOwnHost("a.b.example.org", ["*.example.org"]), true);
  assertEquals(isOwnHost("example.org", ["*.example.org"]), false);
  assertEquals(isOwnHost("evilexample.org", ["*.example.org"]), false);
});

async function statusAs(port: number, host: string, method = "GET", target = "/a.txt"): Promise<number> {
  const head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx`;
  return (await raw(port, head)).status;
}

Deno.test("what can be written to or runs programs is answered under its own names only, cached or not", async () => {
  await using tree = await tempTree({ "a.txt": "a", "in/": "" });
  await settleTimes(tree.at("a.txt"));
  const beside = ["--upload-beside-programs", "/in"];
  await using server = await start([tree.path, "--upload", "--cgi", ...beside, "--allow-host", "files.example.org"]);
  const { port } = server;
  for (let i = 0; i < 3; i++) assertEquals(await statusAs(port, `127.0.0.1:${port}`), 200);
  assertEquals(await statusAs(port, "rebound.example.org"), 421);
  assertEquals(await statusAs(port, "rebound.example.org", "PUT", "/in/b.txt"), 421);
  assertEquals(await statusAs(port, "rebound.example.org", "GET", "/cgi-bin/x"), 421);
  assertEquals(await statusAs(port, "rebound.example.org", "GET", "/absent"), 421);
  assertEquals(await statusAs(port, "files.example.org"), 200);
  assertEquals(await statusAs(port, `${Deno.hostname()}:${port}`), 200);
  const absolute = await raw(
    port,
    "GET http://rebound.example.org/a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  );
  assertEquals([absolute.status, [...Deno.readDirSync(tree.path)].length], [200, 2]); // no browser sends that
  await server.stop();
  assertStringIncludes(
    server.stderr(),
    "code 421, message The server is not to be asked under this name (--allow-host)",
  );
});

Deno.test("a server of files is answered under any name, unless names are given", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  await using open = await start([tree.path]);
  assertEquals(await statusAs(open.port, "any.example.org"), 200);
  await using closed = await start([tree.path, "--allow-host", "*.example.org"]);
  assertEquals(await statusAs(closed.port, "any.example.org"), 200);
  assertEquals(await statusAs(closed.port, "example.net"), 421);
  const ended = await runCommand(["--allow-host", "a b"]);
  assertEquals([ended.code, ended.stderr.includes("it is not the name of a host")], [2, true]);
});
