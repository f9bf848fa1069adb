/** HTTPS without certificate files: the command with `--tls`. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "@x/pyserve/cli";
import { localNames } from "../../handlers/transport/local_names.ts";
import { runCommand, start } from "../support/command.ts";
import { curl, startLocalTls } from "../support/local_tls.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const CURL = { ignore: missing("curl", "openssl") };
const POSIX = Deno.build.os !== "windows";

const ALL = { kind: "tcp", hostname: "::", port: 0 } as const;

/** What tests with a port of their own need: the head of a response. */
async function head(...args: string[]): Promise<string> {
  return await curl("-i", ...args);
}

Deno.test({
  ...CURL,
  name:
    "clients that trust the authority accept the server by each of its names and addresses, over HTTP/1.1 and HTTP/2",
  async fn(t) {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    await using server = await startLocalTls([tree.at("site"), "-b", "::"], tree.at("state"));
    const { names, addresses } = localNames(ALL, []);
    assert(names.includes("localhost") && names.includes(Deno.hostname().toLowerCase()), names.join());
    const hosts = [...names, ...addresses.map((address) => address.includes(":") ? `[${address}]` : address)];
    for (const host of hosts) {
      await t.step(host, async () => {
        // Names need not be known to the resolver of this machine.
        const resolve = names.includes(host) ? ["--resolve", `${host}:${server.port}:127.0.0.1`] : [];
        for (const version of ["1.1", "2"]) {
          const url = `https://${host}:${server.port}/a.txt`;
          const args = ["--cacert", server.authority, `--http${version}`, "-w", " %{http_version}", ...resolve, url];
          assertEquals(await curl(...args), `hello ${version}`);
        }
      });
    }
    await t.step("a name of another site is refused", async () => {
      const resolve = ["--resolve", `example.com:${server.port}:127.0.0.1`];
      const text = await curl("--cacert", server.authority, ...resolve, `https://example.com:${server.port}/a.txt`);
      assertMatch(text, /no alternative certificate subject name matches/);
    });
    await t.step("without the authority, it is refused", async () => {
      assertMatch(await curl(`https://127.0.0.1:${server.port}/a.txt`), /certificate/);
    });
  },
});

Deno.test({
  ...CURL,
  name: "the authority can be fetched, its fingerprint is printed, and a restart uses the same",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    const fingerprints: string[] = [];
    for (const args of [[], ["-p", "HTTP/1.0"], ["--allow-host", "localhost"]]) {
      await using server = await startLocalTls([tree.at("site"), ...args], tree.at("state"));
      const url = `https://127.0.0.1:${server.port}/.pyserve/ca.crt`;
      assertStringIncludes(server.stdout(), url);
      const answer = await head("--cacert", server.authority, url);
      assertMatch(answer, /^content-type: application\/x-x509-ca-cert\r$/im);
      assertEquals(answer.slice(answer.indexOf("-----BEGIN")), await Deno.readTextFile(server.authority));
      const shown = await new Deno.Command("openssl", {
        args: ["x509", "-in", server.authority, "-noout", "-fingerprint", "-sha256"],
      }).output();
      assertEquals(new TextDecoder().decode(shown.stdout).trim().split("=")[1], server.fingerprint);
      fingerprints.push(server.fingerprint);
      const refused = await head("--cacert", server.authority, "-X", "PUT", url);
      assertMatch(refused, /^HTTP\/\S+ 405 [\s\S]*^allow: GET, HEAD\r$/im);
      assertMatch(await head("--cacert", server.authority, "-I", url), /^content-length: \d{3}\r$/im);
      await server.stop();
      assertEquals(
        server.stderr().match(/"GET \/\.pyserve\/ca\.crt HTTP\/[\d.]+" 200 -$/gm)?.length,
        1,
        "one log line",
      );
    }
    assertEquals(new Set(fingerprints).size, 1);
  },
});

Deno.test({
  name: "only the owner can read the files and list the directory",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    await using _server = await startLocalTls([tree.at("site")], tree.at("state"));
    const directories = ["state", "state/pyserve", "state/pyserve/tls"].map(tree.at);
    assertEquals(directories.map((path) => Deno.statSync(path).mode! & 0o777), [0o700, 0o700, 0o700]);
    const files = [...Deno.readDirSync(directories[2]!)].map(({ name }) => name).sort();
    assertEquals(files.length, 4);
    for (const name of files) {
      assertEquals(Deno.statSync(tree.at(`state/pyserve/tls/${name}`)).mode! & 0o777, 0o600, name);
    }
  },
});

Deno.test({
  name: "all workers use the same certificate",
  ignore: Deno.build.os !== "linux" || missing("curl"),
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    await using server = await startLocalTls([tree.at("site"), "--workers=2"], tree.at("state"));
    const args = ["--cacert", server.authority, `https://127.0.0.1:${server.port}/a.txt`];
    for (let i = 0; i < 20; i++) assertEquals(await curl(...args), "hello"); // both take some, most likely
    const kept = [...Deno.readDirSync(tree.at("state/pyserve/tls"))].filter(({ name }) => name.startsWith("server-"));
    assertEquals(kept.length, 1);
  },
});

Deno.test({
  name: "without a directory for the authority it works, and says in one line that the authority ends with the process",
  ignore: !POSIX || missing("curl"),
  async fn(t) {
    await using tree = await tempTree({ "site/a.txt": "hello", "file": "", "open/pyserve/tls/": "" });
    await Deno.chmod(tree.at("open/pyserve/tls"), 0o777);
    const nowhere = { HOME: "", USERPROFILE: "", XDG_STATE_HOME: "" };
    const rows: readonly [env: Record<string, string>, reason: string][] = [
      [nowhere, "there is no home directory"],
      [
        { XDG_STATE_HOME: tree.at("file") },
        `"${tree.at("file/pyserve/tls")}" cannot be used: one of its parents is a file`,
      ],
      [{ XDG_STATE_HOME: tree.at("open") }, `other users can write to ${tree.at("open/pyserve/tls")}`],
    ];
    for (const [env, reason] of rows) {
      await t.step(reason, async () => {
        await using server = await start([tree.at("site"), "--tls"], { env });
        const [, note] = server.stdout().split("\n");
        assertEquals(note, `  the authority ends with this process, because ${reason}`);
        const url = `https://127.0.0.1:${server.port}`;
        await Deno.writeTextFile(tree.at("ca.crt"), await curl("-k", `${url}/.pyserve/ca.crt`));
        assertEquals(await curl("--cacert", tree.at("ca.crt"), `${url}/a.txt`), "hello");
      });
    }
    await t.step("with workers, which could not agree, it is refused", async () => {
      const { code, stderr } = await runCommand([tree.at("site"), "0", "--tls", "--workers=2"], { env: nowhere });
      assertEquals([code, stderr], [
        1,
        "pyserve: Cannot use --workers with --tls: there is no home directory; name another directory with --state\n",
      ]);
    });
    await t.step("a directory that was named is refused", async () => {
      const { code, stderr } = await runCommand([tree.at("site"), "0", "--tls", "--state", tree.at("file")]);
      assertEquals([code, stderr], [
        1,
        `pyserve: Cannot use --state "${tree.at("file")}": "${tree.at("file/tls")}" cannot be used: ` +
        "one of its parents is a file\n",
      ]);
    });
  },
});

Deno.test({
  name: "without the permission to write, it works, and says so",
  ignore: missing("curl"),
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    const flags = [`--allow-read=${tree.at("site")}`, "--allow-net=127.0.0.1", "--allow-env", "--no-prompt"];
    await using server = await start([tree.at("site"), "--tls"], {
      env: { XDG_STATE_HOME: tree.at("state") },
      run: [...flags, CLI],
    });
    assertMatch(
      server.stdout(),
      /^ {2}the authority ends with this process, because ".*" cannot be used: writing to it/m,
    );
    assertEquals(await curl("-k", `https://127.0.0.1:${server.port}/a.txt`), "hello");
  },
});

Deno.test("keys are never kept where clients could read them", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  const args = (...more: string[]) => [tree.path, "0", "-b", "127.0.0.1", "--state", ...more];
  const problem = (path: string) => [
    1,
    `pyserve: Cannot keep keys in "${tree.at(path)}": clients could read them, because "${tree.path}" is served; ` +
    "name a directory outside of it with --state\n",
  ];
  const env = { LOGIN: "ann:a long password" };
  for (const how of [["--tls"], ["--auth-env", "LOGIN"]]) {
    for (const [path, ...more] of [["state"], ["deep/er"], [".state", "--hidden"]] as const) {
      const { code, stderr } = await runCommand([...args(tree.at(path), ...how), ...more], { env });
      assertEquals([code, stderr], problem(path));
    }
    await using _server = await start(args(tree.at(".state"), ...how), { env });
  }
  assertEquals([...Deno.readDirSync(tree.path)].map(({ name }) => name).sort(), [".state", "a.txt"]);
});

Deno.test("a new authority is announced with its reason, and what the certificate lacks with a remedy", async () => {
  await using tree = await tempTree({ "site/a.txt": "hello", "state/pyserve/tls/ca.json": "{" });
  for (const path of ["state", "state/pyserve", "state/pyserve/tls"]) await Deno.chmod(tree.at(path), 0o700);
  await Deno.chmod(tree.at("state/pyserve/tls/ca.json"), 0o600);
  await using server = await startLocalTls([tree.at("site")], tree.at("state"));
  assertStringIncludes(
    server.stdout(),
    "\n  there is a new authority (the file of the old one was damaged): clients have to install it again\n",
  );
});

Deno.test("plain HTTP is redirected to HTTPS under the server's own names only, and serves the authority", async (t) => {
  await using tree = await tempTree({ "site/a.txt": "hello" });
  const args = [tree.at("site"), "--redirect-http", "0", "--hsts", "--allow-host", "files.example"];
  for (const protocol of [[], ["-p", "HTTP/1.0"]]) {
    await t.step(protocol.join(" ") || "HTTP/1.1", async () => {
      await using server = await startLocalTls([...args, ...protocol], tree.at("state"));
      const { port, plainPort } = server;
      const redirected = async (host: string, target: string, method = "GET") => {
        const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", "Content-Length: 0"];
        const { status, headers } = await raw(plainPort, `${lines.join("\r\n")}\r\n\r\n`);
        assertEquals([headers.has("strict-transport-security"), headers.has("set-cookie")], [false, false]);
        return `${status} ${headers.get("location")}`;
      };
      const rows: readonly [host: string, target: string, answer: string][] = [
        [`localhost:${plainPort}`, "/a%20b/?x=1&y", `308 https://localhost:${port}/a%20b/?x=1&y`],
        ["127.0.0.1", "/", `308 https://127.0.0.1:${port}/`],
        ["[::1]:80", "/", `308 https://[::1]:${port}/`],
        ["FILES.example", "//evil.example/", `308 https://FILES.example:${port}//evil.example/`],
        [
          "files.example",
          "/.well-known/acme-challenge/x",
          `308 https://files.example:${port}/.well-known/acme-challenge/x`,
        ],
        ["evil.example", "/", "421 null"],
        ["localhost.evil.example", "/", "421 null"],
        ["localhost@evil.example", "/", "400 null"],
        ["localhost", "http://evil.example/", "421 null"],
        ["evil.example", "http://localhost/", "421 null"],
        ["localhost", "/%zz", "400 null"],
      ];
      for (const [host, target, answer] of rows) {
        // A browser would read other spellings of a host in the same way.
        assertEquals((await redirected(host, target)).toLowerCase(), answer.toLowerCase(), `${host} ${target}`);
      }
      for (const method of ["HEAD", "POST", "DELETE"]) {
        assertEquals(await redirected("localhost", "/a.txt", method), `308 https://localhost:${port}/a.txt`);
      }
      const authority = await ask(plainPort, "GET", "/.pyserve/ca.crt");
      assertEquals([authority.status, authority.text], [200, await Deno.readTextFile(server.authority)]);
      assertEquals(authority.headers.get("content-type"), "application/x-x509-ca-cert");
      assertStringIncludes(server.stdout(), `install http://127.0.0.1:${plainPort}/.pyserve/ca.crt on`);
    });
  }
});

Deno.test({
  ...CURL,
  name: "Strict-Transport-Security is sent to names only, never for an address or localhost, with every status",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    const args = [tree.at("site"), "--hsts=600", "--allow-host", "files.example"];
    for (const protocol of [[], ["-p", "HTTP/1.0"]]) {
      // Files count as old, so that responses are cached: no response may have what another one had.
      await using server = await startLocalTls([...args, ...protocol], tree.at("state"), { clockAhead: true });
      const policy = async (host: string, path: string, ...more: string[]) => {
        const place = `${host}:${server.port}`;
        const text = await head(
          "--cacert",
          server.authority,
          "--resolve",
          `${place}:127.0.0.1`,
          ...more,
          `https://${place}${path}`,
        );
        return `${/^HTTP\/\S+ (\d+)/.exec(text)?.[1]} ${/^strict-transport-security: (.*)\r$/im.exec(text)?.[1] ?? ""}`;
      };
      const year = "max-age=600";
      for (let i = 0; i < 2; i++) assertEquals(await policy("files.example", "/a.txt"), `200 ${year}`);
      assertEquals(await policy("files.example", "/", "-H", "Accept: text/html"), `200 ${year}`);
      assertEquals(await policy("files.example", "/none"), `404 ${year}`);
      assertEquals(await policy("files.example", "/a.txt", "-X", "DELETE"), `405 ${year}`);
      assertEquals(await policy("files.example", "/.pyserve/ca.crt"), `200 ${year}`);
      for (const host of ["127.0.0.1", "localhost"]) assertEquals(await policy(host, "/a.txt"), "200 ", host);
    }
    await using server = await startLocalTls([tree.at("site")], tree.at("state"));
    const text = await head("-k", "-H", "Host: files.example", `https://127.0.0.1:${server.port}/a.txt`);
    assertEquals(/strict-transport/i.test(text), false, "not unless asked for");
  },
});

Deno.test({
  ...CURL,
  name: "with users, the authority is public, and nothing else",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    await using server = await start([tree.at("site"), "--tls", "--auth-env", "LOGIN"], {
      env: { XDG_STATE_HOME: tree.at("state"), LOGIN: "ann:a long password" },
    });
    const status = (path: string) => {
      const url = `https://127.0.0.1:${server.port}${path}`;
      return curl("-k", "-o", tree.at("out"), "-w", "%{http_code}", url);
    };
    assertEquals(await status("/.pyserve/ca.crt"), "200");
    for (const path of ["/a.txt", "/", "/.pyserve/ca.crt/x", "/x/.pyserve/ca.crt"]) {
      assertMatch(await status(path), /^40[14]$/, path);
    }
    assertEquals(await status("/a.txt"), "401");
  },
});

Deno.test("options that contradict each other are usage errors", async (t) => {
  await using tree = await tempTree({ "cert.pem": "" });
  const rows: readonly [args: string[], sentence: string][] = [
    [["--tls", "--tls-cert", "cert.pem"], "The options --tls and --tls-cert cannot be combined"],
    [["--tls", "--tls-key", "key.pem"], "The option --tls-key needs --tls-cert"],
    [["--hsts"], "The option --hsts needs --tls or --tls-cert or --trusted-proxy"],
    [["--redirect-http", "80"], "The option --redirect-http needs --tls or --tls-cert"],
    [["--tls", "--hsts=1y"], 'Cannot use --hsts "1y": it is not a whole number of seconds'],
    [["--tls", "--redirect-http", "8000"], "Cannot use --redirect-http 8000: HTTPS is on this port"],
    [
      ["--tls", "-b", "unix:x.sock"],
      "Cannot use --tls with a Unix socket: the proxy in front of it has the certificate",
    ],
    [["--qr", "-b", "unix:x.sock"], "Cannot use --qr with a Unix socket: it has no URL"],
  ];
  for (const [args, sentence] of rows) {
    await t.step(args.join(" "), async () => {
      const { code, stderr } = await runCommand(args, { cwd: tree.path });
      assertEquals([code, stderr], [2, `pyserve: ${sentence} (see pyserve --help)\n`]);
    });
  }
});

Deno.test("a port of plain HTTP that is in use is one sentence, and nothing is started", async () => {
  await using tree = await tempTree({ "site/a.txt": "hello" });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr as Deno.NetAddr;
  const args = [tree.at("site"), "0", "-b", "127.0.0.1", "--tls", "--redirect-http", String(port)];
  let stderr = "";
  const err = {
    write: (bytes: Uint8Array) => {
      stderr += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  };
  // In this process, where the test would notice a server that goes on.
  const status = await main(args, {
    err,
    out() {},
    onSignal: () => () => {},
    env: { XDG_STATE_HOME: tree.at("state") },
  });
  assertEquals(status, 1);
  assertMatch(stderr, new RegExp(`^pyserve: Cannot listen on port ${port}: it is in use(; port \\d+ is free)?\n$`));
});
