/** Browsers with the authority of `--tls` installed: they accept the server, and no other site, even if the key leaked. */

import { assertEquals, assertMatch } from "@std/assert";
import { makeStored, readKey, type Stored } from "../../handlers/certificates/stored.ts";
import { alternativeNames, KEY_ALGORITHM, keyIdentifiers, serverExtensions } from "../../handlers/certificates/x509.ts";
import { addressBytes } from "../../handlers/certificates/addresses.ts";
import { launch } from "../support/browser.ts";
import { FIREFOX, launchFirefox } from "../support/firefox.ts";
import { startLocalTls } from "../support/local_tls.ts";
import { hasProgram, missing } from "../support/programs.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Opens a page: the text that it shows, or `error: ...`. */
type Open = (url: string) => Promise<string>;

/** A browser that trusts an authority, if one is given. */
type Start = (
  directory: string,
  authority: string | null,
  names: readonly string[],
) => Promise<AsyncDisposable & { open: Open }>;

async function certutil(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("certutil", { args, stdin: "null" }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Trusts an authority for websites, as its installation in the settings of a browser does. */
async function install(database: string, authority: string | null): Promise<void> {
  await Deno.mkdir(database, { recursive: true });
  await certutil("-N", "-d", `sql:${database}`, "--empty-password");
  if (authority !== null) await certutil("-A", "-d", `sql:${database}`, "-t", "C,,", "-n", "pyserve", "-i", authority);
}

const startFirefox: Start = async (directory, authority, names) => {
  await install(directory, authority);
  return await launchFirefox(directory, names);
};

const startChromium: Start = async (directory, authority, names) => {
  await install(`${directory}/.pki/nssdb`, authority);
  const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join();
  const browser = await launch({ env: { HOME: directory }, args: [`--host-resolver-rules=${rules}`] });
  const page = await (await browser.newContext()).newPage();
  const open: Open = async (url) => {
    try {
      await page.goto(url);
      return await page.locator("body").innerText();
    } catch (error) {
      return `error: ${(error as Error).message}`;
    }
  };
  return { open, [Symbol.asyncDispose]: () => browser[Symbol.asyncDispose]() };
};

const BROWSERS = [
  {
    name: "Chromium",
    start: startChromium,
    isMissing: !hasProgram("chromium") && missing("chromium"),
    unknown: /^error: .*ERR_CERT_AUTHORITY_INVALID/,
    outside: /^error: .*ERR_CERT_INVALID/,
  },
  {
    name: "Firefox",
    start: startFirefox,
    isMissing: FIREFOX === undefined && missing("firefox-esr"),
    unknown: /^error: .*SEC_ERROR_UNKNOWN_ISSUER/,
    outside: /^error: .*SEC_ERROR_CERT_NOT_IN_NAME_SPACE/,
  },
];

/** A server with a certificate for any name, signed with the key of the authority. */
async function impersonate(tree: TempTree, names: readonly string[], addresses: readonly string[] = []) {
  const authority: Stored = JSON.parse(await Deno.readTextFile(tree.at("state/pyserve/tls/ca.json")));
  const issuer = await readKey(authority.key);
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const terms = {
    subject: "impersonated",
    issuer: authority.name,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    extensions: [
      ...serverExtensions(),
      alternativeNames(names, addresses.map((address) => addressBytes(address)!)),
      ...await keyIdentifiers(keys.publicKey, issuer.publicKey),
    ],
  };
  const { cert, key } = await makeStored(terms, { names, addresses }, keys, issuer.privateKey);
  const options = { hostname: "127.0.0.1", port: 0, cert: cert + authority.cert, key, onListen() {} };
  const server = Deno.serve(options, () => new Response("impersonated"));
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

for (const { name, start, isMissing, unknown, outside } of BROWSERS) {
  Deno.test({
    name: `${name} with the authority installed accepts the server, and refuses the same authority for other sites`,
    ignore: isMissing || missing("certutil"),
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      await using tree = await tempTree({ "site/a.txt": "hello", "trusting/": "", "other/": "" });
      const args = [tree.at("site"), "--allow-host", "box.local", "--allow-host", "box"];
      await using server = await startLocalTls(args, tree.at("state"));
      const names = ["box", "box.local", "x.box.local", "x.box", "example.com"];
      await using browser = await start(tree.at("trusting"), server.authority, names);
      const url = (host: string, port = server.port) => `https://${host}:${port}/a.txt`;
      for (const host of ["localhost", "127.0.0.1", "box.local", "box"]) {
        await t.step(host, async () => assertEquals(await browser.open(url(host)), "hello"));
      }
      await t.step(
        "subdomains of its names can be signed for, which shows that the others are refused for their names",
        async () => {
          await using other = await impersonate(tree, ["x.box.local"]);
          assertEquals(await browser.open(url("x.box.local", other.port)), "impersonated");
        },
      );
      for (const host of ["example.com", "x.box"]) {
        await t.step(host, async () => {
          await using other = await impersonate(tree, [host]);
          assertMatch(await browser.open(url(host, other.port)), outside);
        });
      }
      await t.step("without the authority, it is refused", async () => {
        await using stranger = await start(tree.at("other"), null, names);
        assertMatch(await stranger.open(url("localhost")), unknown);
      });
    },
  });
}
