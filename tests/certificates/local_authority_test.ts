/** Certificates without files: what independent verifiers make of them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { addressBytes } from "../../handlers/certificates/addresses.ts";
import { integer, oid, sequence, time } from "../../handlers/certificates/der.ts";
import { localCertificate } from "../../handlers/certificates/local_authority.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const NAMES = {
  names: ["box", "box.local", "localhost"],
  addresses: ["127.0.0.1", "::1", "192.168.7.9", "203.0.113.5"],
};
const DAY_MS = 24 * 60 * 60 * 1000;
const OPENSSL = { ignore: missing("openssl") };

async function openssl(...args: string[]): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command("openssl", { args, stdin: "null" }).output();
  return { success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("DER of known values", () => {
  assertEquals(oid("1.2.840.10045.4.3.2").toHex(), "06082a8648ce3d040302");
  assertEquals(integer(Uint8Array.of(0, 0, 0x80)).toHex(), "02020080");
  assertEquals(integer(Uint8Array.of(0, 0)).toHex(), "020100");
  assertEquals(sequence(new Uint8Array(300)).subarray(0, 4).toHex(), "3082012c");
  assertEquals(new TextDecoder().decode(time(new Date("2049-12-31T23:59:59.9Z")).subarray(2)), "491231235959Z");
  assertEquals(new TextDecoder().decode(time(new Date("2050-01-01T00:00:00Z")).subarray(2)), "20500101000000Z");
});

Deno.test("addresses as bytes", () => {
  const hex = (text: string) => addressBytes(text)?.toHex() ?? null;
  assertEquals(["192.168.0.1", "::1", "fe80::1:2%eth0", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8"].map(hex), [
    "c0a80001",
    "00000000000000000000000000000001",
    "fe800000000000000000000000010002",
    "00000000000000000000ffff01020304",
    "00010002000300040005000600070008",
  ]);
  assertEquals(["localhost", "1.2.3.256", "1.2.3", ":::", "x::1"].map(hex), [null, null, null, null, null]);
});

Deno.test("openssl accepts the server's certificate for its names, and for no others", OPENSSL, async () => {
  await using tree = await tempTree({});
  const { cert, authority, fingerprint } = await localCertificate(tree.path, NAMES);
  await Deno.writeTextFile(tree.at("chain.pem"), cert);
  const verify = (...args: string[]) =>
    openssl(
      "verify",
      "-x509_strict",
      "-purpose",
      "sslserver",
      "-CAfile",
      tree.at("ca.crt"),
      ...args,
      tree.at("chain.pem"),
    );
  for (const name of ["box", "box.local", "localhost"]) {
    const { success, text } = await verify("-verify_hostname", name);
    assert(success, text);
  }
  for (const address of ["127.0.0.1", "192.168.7.9", "::1"]) {
    assert((await verify("-verify_ip", address)).success, address);
  }
  assert(!(await verify("-verify_hostname", "example.com")).success);
  assert(!(await verify("-verify_ip", "203.0.113.5")).success, "not a local address");
  assertEquals(authority, await Deno.readTextFile(tree.at("ca.crt")));
  const shown = await openssl("x509", "-in", tree.at("ca.crt"), "-noout", "-fingerprint", "-sha256");
  assertEquals(shown.text.trim().split("=")[1], fingerprint);
});

Deno.test("a certificate for another site, signed with the key of the authority, is refused", OPENSSL, async () => {
  await using tree = await tempTree({});
  await localCertificate(tree.path, NAMES);
  const { key } = JSON.parse(await Deno.readTextFile(tree.at("ca.json")));
  await Deno.writeTextFile(tree.at("ca.key"), key);
  for (const san of ["DNS:example.com", "IP:203.0.113.5", "DNS:box", "IP:10.1.2.3"]) {
    const request = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", tree.at("x.key")];
    assert((await openssl(...request, "-out", tree.at("x.csr"))).success);
    await Deno.writeTextFile(tree.at("ext"), `subjectAltName=${san}\nextendedKeyUsage=serverAuth\n`);
    const sign = ["x509", "-req", "-in", tree.at("x.csr"), "-CA", tree.at("ca.crt"), "-CAkey", tree.at("ca.key")];
    assert((await openssl(...sign, "-days", "9", "-extfile", tree.at("ext"), "-out", tree.at("x.crt"))).success);
    const { success, text } = await openssl("verify", "-CAfile", tree.at("ca.crt"), tree.at("x.crt"));
    assertEquals(success, san === "DNS:box" || san === "IP:10.1.2.3", `${san} ${text}`);
    if (!success) assertMatch(text, /permitted subtree violation/);
  }
});

Deno.test("files are reused, renewed in time, and replaced for a new host name", async () => {
  await using tree = await tempTree({});
  const now = Date.now();
  const first = await localCertificate(tree.path, NAMES, now);
  assertEquals(await localCertificate(tree.path, NAMES, now + 59 * DAY_MS), first);
  const renewed = await localCertificate(tree.path, NAMES, now + 61 * DAY_MS);
  assertEquals([renewed.authority, renewed.key === first.key], [first.authority, false]);
  const moved = await localCertificate(tree.path, { ...NAMES, addresses: ["10.0.0.5"] }, now);
  assertEquals(moved.authority, first.authority, "an address that changes needs no new authority");
  const renamed = await localCertificate(tree.path, { ...NAMES, names: ["other"] }, now);
  assert(renamed.authority !== first.authority);
  const names = [...Deno.readDirSync(tree.path)].map(({ name }) => name);
  assert(names.every((name) => /^(ca\.(json|crt|lock)|server-\w+\.json)$/.test(name)), names.join());
  if (Deno.build.os !== "windows") {
    for (const name of names) assertEquals(Deno.statSync(tree.at(name)).mode! & 0o077, 0, name);
  }
});

Deno.test("a damaged file is replaced, and concurrent starts agree", async () => {
  await using tree = await tempTree({ "ca.json": "{" });
  const all = await Promise.all([1, 2, 3].map(() => localCertificate(tree.path, NAMES)));
  assertEquals(new Set(all.map(({ cert }) => cert)).size, 1);
});

Deno.test("Deno accepts it: HTTPS with the authority as the only root", async () => {
  await using tree = await tempTree({});
  const { cert, key, authority } = await localCertificate(tree.path, NAMES);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => new Response("hi"),
  );
  using client = Deno.createHttpClient({ caCerts: [authority] });
  for (const host of ["127.0.0.1", "localhost"]) {
    assertEquals(await (await fetch(`https://${host}:${server.addr.port}/`, { client })).text(), "hi");
  }
});
