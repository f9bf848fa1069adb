/** Certificates without files: what independent verifiers make of them. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { addressBytes } from "../../handlers/certificates/addresses.ts";
import { integer, oid, sequence, time } from "../../handlers/certificates/der.ts";
import { inDirectory, inMemory } from "../../handlers/certificates/keeping.ts";
import { localCertificate, type ServerNames } from "../../handlers/certificates/local_authority.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const NAMES = {
  names: ["box", "box.local", "localhost"],
  addresses: ["127.0.0.1", "::1", "192.168.7.9", "203.0.113.5"],
};
const DAY_MS = 24 * 60 * 60 * 1000;
const OPENSSL = { ignore: missing("openssl") };

/** The certificate for names that all are given, from a directory. */
async function madeIn(directory: string, names: ServerNames, now?: number) {
  return await localCertificate(await inDirectory(directory), { ...names, given: names.names }, now);
}

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
  const { cert, authority, fingerprint } = await madeIn(tree.path, NAMES);
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
  for (const address of NAMES.addresses) {
    assert((await verify("-verify_ip", address)).success, address);
  }
  assert(!(await verify("-verify_hostname", "example.com")).success);
  assert(!(await verify("-verify_ip", "203.0.113.6")).success);
  assertEquals(authority, await Deno.readTextFile(tree.at("ca.crt")));
  const shown = await openssl("x509", "-in", tree.at("ca.crt"), "-noout", "-fingerprint", "-sha256");
  assertEquals(shown.text.trim().split("=")[1], fingerprint);
});

Deno.test("a certificate for another site, signed with the key of the authority, is refused", OPENSSL, async () => {
  await using tree = await tempTree({});
  await madeIn(tree.path, NAMES);
  const { key } = JSON.parse(await Deno.readTextFile(tree.at("ca.json")));
  await Deno.writeTextFile(tree.at("ca.key"), key);
  const good = ["DNS:box", "DNS:x.box.local", "IP:10.1.2.3", "IP:203.0.113.5"];
  for (const san of [...good, "DNS:example.com", "DNS:x.box", "DNS:local", "IP:203.0.113.6", "IP:2001:db8::1"]) {
    const request = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", tree.at("x.key")];
    assert((await openssl(...request, "-out", tree.at("x.csr"))).success);
    await Deno.writeTextFile(tree.at("ext"), `subjectAltName=${san}\nextendedKeyUsage=serverAuth\n`);
    const sign = ["x509", "-req", "-in", tree.at("x.csr"), "-CA", tree.at("ca.crt"), "-CAkey", tree.at("ca.key")];
    assert((await openssl(...sign, "-days", "9", "-extfile", tree.at("ext"), "-out", tree.at("x.crt"))).success);
    const { success, text } = await openssl("verify", "-CAfile", tree.at("ca.crt"), tree.at("x.crt"));
    assertEquals(success, good.includes(san), `${san} ${text}`);
    if (!success) assertMatch(text, san === "DNS:x.box" ? /excluded subtree violation/ : /permitted subtree violation/);
  }
});

Deno.test("files are reused, renewed in time, and replaced for a new host name", async () => {
  await using tree = await tempTree({});
  const now = Date.now();
  const first = await madeIn(tree.path, NAMES, now);
  assertEquals(await madeIn(tree.path, NAMES, now + 59 * DAY_MS), { ...first, reason: null });
  const renewed = await madeIn(tree.path, NAMES, now + 61 * DAY_MS);
  assertEquals([renewed.authority, renewed.key === first.key], [first.authority, false]);
  const moved = await madeIn(tree.path, { ...NAMES, addresses: ["10.0.0.5"] }, now);
  assertEquals(moved.authority, first.authority, "an address that changes needs no new authority");
  const renamed = await madeIn(tree.path, { ...NAMES, names: ["other"] }, now);
  assertEquals([renamed.reason, renamed.authority === first.authority], ["new name", false]);
  assertEquals(
    (await madeIn(tree.path, NAMES, now)).authority,
    renamed.authority,
    "it can also sign for the old names",
  );
  const names = [...Deno.readDirSync(tree.path)].map(({ name }) => name);
  assert(names.every((name) => /^(ca\.(json|crt)|lock|server-\w+\.json)$/.test(name)), names.join());
  if (Deno.build.os !== "windows") {
    for (const name of names) assertEquals(Deno.statSync(tree.at(name)).mode! & 0o077, 0, name);
  }
});

Deno.test("concurrent starts agree", async () => {
  await using tree = await tempTree({});
  const all = await Promise.all([1, 2, 3].map(() => madeIn(tree.path, NAMES)));
  assertEquals(new Set(all.map(({ cert }) => cert)).size, 1);
});

Deno.test("an authority that cannot be used is replaced, and the reason is told", async (t) => {
  const now = Date.now();
  const other = await localCertificate(inMemory(), { ...NAMES, given: [] });
  type Change = (text: string) => string;
  const change = (edit: (stored: Record<string, unknown>) => object): Change => (text) =>
    JSON.stringify({ ...JSON.parse(text), ...edit(JSON.parse(text)) });
  const rows: readonly [Change, time: number, reason: string][] = [
    [(text) => text, now, "null"],
    [(text) => text, now + 3_600 * DAY_MS, "expired"],
    [(text) => text, now - 3 * DAY_MS, "not valid yet"],
    [() => "", now, "damaged"],
    [() => "{", now, "damaged"],
    [() => "null", now, "damaged"],
    [(text) => text.slice(0, -100), now, "damaged"],
    [change(() => ({ key: other.key })), now, "damaged"],
    [change(() => ({ cert: "" })), now, "damaged"],
    [change(() => ({ expires: null })), now, "damaged"],
    [change(() => ({ names: {} })), now, "damaged"],
  ];
  for (const [edit, time, reason] of rows) {
    await t.step(`${reason}: ${edit}`, async () => {
      await using tree = await tempTree({});
      const first = await madeIn(tree.path, NAMES, now);
      await Deno.writeTextFile(tree.at("ca.json"), edit(await Deno.readTextFile(tree.at("ca.json"))));
      const second = await madeIn(tree.path, NAMES, time);
      assertEquals([String(second.reason), second.fingerprint === first.fingerprint], [reason, reason === "null"]);
      assertEquals((await madeIn(tree.path, NAMES, time)).fingerprint, second.fingerprint);
    });
  }
});

Deno.test("a damaged certificate, or one that is not valid yet, is replaced, with the same authority", async () => {
  await using tree = await tempTree({});
  const now = Date.now();
  const first = await madeIn(tree.path, NAMES, now);
  const file = [...Deno.readDirSync(tree.path)].find(({ name }) => name.startsWith("server-"))!.name;
  await Deno.writeTextFile(tree.at(file), "{}");
  const second = await madeIn(tree.path, NAMES, now);
  assertEquals([second.authority, second.cert === first.cert], [first.authority, false]);
  // The clock was a month ahead, later than the authority was made.
  const ahead = await madeIn(tree.path, { ...NAMES, addresses: [] }, now + 30 * DAY_MS);
  const corrected = await madeIn(tree.path, { ...NAMES, addresses: [] }, now);
  assertEquals([corrected.authority, corrected.cert === ahead.cert], [first.authority, false]);
});

Deno.test("what has expired or was left unfinished is removed when a certificate is made", async () => {
  await using tree = await tempTree({});
  const now = Date.now();
  const names = () => [...Deno.readDirSync(tree.path)].map(({ name }) => name).filter((name) => /^server-/.test(name));
  for (let i = 1; i <= 9; i++) await madeIn(tree.path, { ...NAMES, addresses: [`10.0.0.${i}`] }, now + i * 1_000);
  assertEquals(names().length, 9);
  await Deno.writeTextFile(tree.at(`ca.json.${crypto.randomUUID()}`), "{");
  await madeIn(tree.path, NAMES, now + 90 * DAY_MS + 5_500);
  assertEquals(names().length, 5, "five had expired");
  assertEquals([...Deno.readDirSync(tree.path)].length, 5 + 3);
});

Deno.test("names that are not given need no new authority, and are left out", async () => {
  const keeping = inMemory();
  const first = await localCertificate(keeping, { ...NAMES, given: ["localhost"] });
  assertEquals([first.left, first.reason], [[], "first"]);
  const there = { names: ["localhost", "cafe-17"], given: ["localhost", "10.0.0.9"] };
  const moved = await localCertificate(keeping, { ...there, addresses: ["10.0.0.9", "198.51.100.7"] });
  const names = { names: ["localhost"], addresses: ["10.0.0.9"] };
  assertEquals([moved.authority, moved.left, moved.names], [first.authority, ["cafe-17", "198.51.100.7"], names]);
  const bound = await localCertificate(keeping, { ...NAMES, addresses: ["198.51.100.7"], given: ["198.51.100.7"] });
  assertEquals([bound.reason, bound.left], ["new name", []]);
});

Deno.test({
  name: "a directory or a file that others can write to or read is refused in one sentence",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "open/": "", "state/": "" });
    await Deno.chmod(tree.at("open"), 0o777);
    const problem = async (directory: string) => {
      return (await assertRejects(() => madeIn(directory, NAMES), TypeError)).message;
    };
    assertEquals(await problem(tree.at("open")), `other users can write to ${tree.at("open")}`);
    await madeIn(tree.at("state"), NAMES);
    await Deno.chmod(tree.at("state/ca.json"), 0o644);
    assertEquals(await problem(tree.at("state")), `other users can read ${tree.at("state/ca.json")}; remove it`);
    if (Deno.uid() !== 0) return;
    await Deno.chmod(tree.at("state/ca.json"), 0o600);
    await Deno.chown(tree.at("state/ca.json"), 12345, null);
    assertEquals(await problem(tree.at("state")), `${tree.at("state/ca.json")} belongs to another user`);
    await Deno.chown(tree.at("state"), 12345, null);
    assertEquals(await problem(tree.at("state")), `${tree.at("state")} belongs to another user`);
  },
});

Deno.test("Deno accepts it: HTTPS with the authority as the only root", async () => {
  await using tree = await tempTree({});
  const { cert, key, authority } = await madeIn(tree.path, NAMES);
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => new Response("hi"),
  );
  using client = Deno.createHttpClient({ caCerts: [authority] });
  for (const host of ["127.0.0.1", "localhost"]) {
    assertEquals(await (await fetch(`https://${host}:${server.addr.port}/`, { client })).text(), "hi");
  }
});
