/** Rights hold at every door: each right, each method and query, each spelling of a path. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  archives,
  cgiFeature,
  checksums,
  disk,
  fastCgiFeature,
  type FetchFunction,
  fileServer,
  type Handler,
  type Layer,
  mount,
  searches,
  serve,
  SitePath,
  toFetch,
  union,
  uploadFeatures,
  wrap,
} from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { Shares } from "../../handlers/identity/shares.ts";
import { volatileState } from "../../handlers/identity/state.ts";
import type { Users } from "../../handlers/identity/users.ts";
import { serveClassic } from "../../handlers/python/transport.ts";
import { certificate } from "../doors/doors.ts";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { startReplicas } from "../support/replicas.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import {
  ABOVE,
  type Answer,
  type Ask,
  assertHidden,
  assertNothing,
  type Case,
  CLIENTS,
  contentsOf,
  forbidden,
  rulesBelow,
  type SiteKind,
  targetOf,
  vaultTree,
} from "./matrix_model.ts";
import { type Client, connectionsTo, http2To } from "./matrix_client.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;
const SILENT = { access() {}, error() {} };

/** Where the site is, and how it is asked. */
interface Door extends AsyncDisposable {
  readonly client: Client;
  /** In front of all paths. */
  readonly prefix: string;
}

/** One password for all. */
const USERS: Users = {
  find: (name) => name in CLIENTS ? { name, epoch: "1" } : null,
  verify: (name, password) => name in CLIENTS && password === "secret" ? { name, epoch: "1" } : null,
};

/** SHA-1 of "secret"; hashing is not what is tested. */
const USER_LINES = Object.keys(CLIENTS).map((name) => `${name}:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n`).join("");

function featuresOf(site: SiteKind) {
  const reading = [searches(), checksums()];
  if (site === "uploads") {
    return [...uploadFeatures({ rights: { create: true, change: true } }), ...reading, archives()];
  }
  // Nothing listens there: a request that got through would be 502.
  const address = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
  return [
    cgiFeature({ extensions: [".cgi"], index: ["index.cgi"] }),
    fastCgiFeature({ extensions: [".php"], address }),
    ...reading,
  ];
}

function siteOf(tree: TempTree, site: SiteKind, layers: readonly Layer[] = [], source = disk(tree.path)): Handler {
  return fileServer(source, { features: featuresOf(site), layers, log: false, precompressed: true });
}

const STATE = volatileState();

function fetchOf(tree: TempTree, site: SiteKind): FetchFunction {
  const layer = auth({ users: USERS, rules: rulesBelow(), state: STATE });
  return toFetch(siteOf(tree, site, [layer]), { log: SILENT, accessLog: false });
}

/** A link to /pub, made by the operator: what it leads out to is not shared. */
const SHARE = new Shares(STATE.key).make({
  paths: [SitePath.root.child("pub")!],
  rights: new Set(["read", "run"]),
  expires: Infinity,
}, null);

/** The library: a mount inside of the layer, and a union of sources. */
function libraryFetch(tree: TempTree, site: SiteKind): FetchFunction {
  const source = union({ "/": disk(tree.path), "/vault": disk(tree.at("vault")) });
  const inner = mount("/mounted/here", siteOf(tree, site, [], source));
  const layer = auth({ users: USERS, rules: rulesBelow("/mounted/here") });
  return toFetch(wrap(inner, layer), { log: SILENT, accessLog: false });
}

type Open = (tree: TempTree, site: SiteKind) => Promise<Door>;

const overHttp1 = (fetchOf: (tree: TempTree, site: SiteKind) => FetchFunction, prefix = ""): Open => (tree, site) => {
  const server = serve(fetchOf(tree, site), LOOPBACK);
  return Promise.resolve(doorOf(connectionsTo(server.address.port), () => server.abort(), prefix));
};

const DOORS: Readonly<Record<string, { readonly open: Open; readonly every: number }>> = {
  "the default engine": { open: overHttp1(fetchOf), every: 7 },
  "below a share link": { open: overHttp1(fetchOf, `/.pyserve/share/${SHARE.token}`), every: 23 },
  "a mount and a union of the library": { open: overHttp1(libraryFetch, "/mounted/here"), every: 41 },
  "HTTP/2 over TLS": {
    every: 41,
    async open(tree, site) {
      const tls = await certificate();
      const server = serve(fetchOf(tree, site), { ...LOOPBACK, tls });
      return doorOf(http2To(server.address.port, tls.cert), () => server.abort());
    },
  },
  "-p HTTP/1.0": {
    every: 73,
    open(tree, site) {
      const server = serveClassic(fetchOf(tree, site), LOOPBACK);
      return Promise.resolve(doorOf(connectionsTo(server.address.port), () => server.abort()));
    },
  },
  ...Deno.build.os === "linux" && { "the command with two workers": { open: workers, every: 73 } },
  ...!missing("nginx") && { "three replicas behind nginx": { open: replicas, every: 97 } },
};

function doorOf(client: Client, close: () => Promise<unknown>, prefix = ""): Door {
  return {
    client,
    prefix,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await close();
    },
  };
}

function workers(tree: TempTree, site: SiteKind): Promise<Door> {
  return commandOn(tree, site, async (args) => {
    const { port, stop } = await start([...args, "--workers", "2"]);
    return { port, [Symbol.asyncDispose]: async () => void await stop() };
  });
}

function replicas(tree: TempTree, site: SiteKind): Promise<Door> {
  return commandOn(tree, site, (args) => startReplicas(args));
}

async function commandOn(
  tree: TempTree,
  site: SiteKind,
  run: (args: readonly string[]) => Promise<AsyncDisposable & { readonly port: number }>,
): Promise<Door> {
  const own = await tempTree({ "users.txt": USER_LINES });
  const application = Deno.listen(LOOPBACK); // the start makes sure that it can be reached
  const address = `.php=127.0.0.1:${application.addr.port}`;
  const options = site === "uploads" ? ["--all"] : ["--cgi-ext", ".cgi", "--fastcgi", address];
  const running = await run([
    tree.path,
    ...["--auth", own.at("users.txt"), "--state", own.at("state"), "--quiet"],
    ...rulesBelow().flatMap((rule) => ["--access", rule]),
    ...options,
  ]);
  return doorOf(connectionsTo(running.port), async () => {
    await running[Symbol.asyncDispose]();
    application.close();
    await own[Symbol.asyncDispose]();
  });
}

function linesOf(client: string, ask: Ask): string[] {
  const credentials = client === "stranger" ? [] : [`Authorization: Basic ${btoa(`${client}:secret`)}`];
  return [...credentials, ...ask.headers ?? []];
}

/** Sends one of the two requests of a case. */
function send({ client, prefix }: Door, given: Case, which: "there" | "absent"): Promise<Answer> {
  const { ask } = given;
  const target = below(prefix, targetOf(given, which));
  const query = ask.query ? `?${ask.query}` : "";
  const lines = linesOf(given.client, ask).map((line) => line.replace(/^Destination: (?=\/)/, `$&${prefix}`));
  if (!ask.destination) return client.ask(ask.method, `${target}${query}`, lines, ask.body);
  return client.ask(ask.method, `${prefix}/own/mine.txt`, [...lines, `Destination: ${target}`]);
}

function below(prefix: string, target: string): string {
  return target.startsWith("http:") ? target.replace("localhost", `localhost${prefix}`) : `${prefix}${target}`;
}

async function compare(door: Door, cases: readonly Case[]): Promise<void> {
  const left = [...cases];
  const work = async () => {
    for (let given = left.pop(); given !== undefined; given = left.pop()) {
      const [there, absent] = [await send(door, given, "there"), await send(door, given, "absent")];
      const { ask, form } = given;
      const what = `${given.client}: ${ask.method} ${targetOf(given, "there")} ?${ask.query ?? ""} ${
        ask.headers ?? ""
      } ${form}`;
      assertNothing(what, given, there, absent);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

let total = 0;

for (const [name, { open, every }] of Object.entries(DOORS)) {
  for (const site of ["uploads", "programs"] as const) {
    Deno.test({
      name: `${name}, ${site}: whoever may not, learns nothing`,
      ignore: Deno.build.os === "windows",
      async fn() {
        await using tree = await vaultTree();
        await using door = await open(tree, site);
        const before = contentsOf(tree);
        // A share of all cases, at each door another one.
        const cases = forbidden(site).filter((_, index) => index % every === Object.keys(DOORS).indexOf(name) % every);
        await compare(door, cases);
        total += cases.length;
        assertEquals(contentsOf(tree), before, "nothing has changed");
      },
    });
  }
}

Deno.test("there were cases", { ignore: Deno.build.os === "windows" }, () => assert(total > 5_000, `only ${total}`));

Deno.test({
  name: "whoever may, can; and directories above name what is hidden to nobody else",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const site of ["uploads", "programs"] as const) {
      await using tree = await vaultTree();
      await using door = await overHttp1(fetchOf)(tree, site);
      const ask = (client: string, method: string, target: string) =>
        door.client.ask(method, target, linesOf(client, { method, needs: [] }), method === "PUT" ? "x" : undefined);
      for (const client of Object.keys(CLIENTS)) {
        for (const target of ABOVE) {
          const answer = await ask(client, "GET", target);
          if (client !== "reader") assertHidden(`${site}: ${client} ${target}`, target, answer);
          else if (answer.body.includes("Archives are not enabled here")) assertEquals(site, "programs");
          else if (/^\/\?.*(?:json|=text|tar$)/.test(target)) {
            assertMatch(answer.body, /vault(?!ish)|"matches":|pub\/open/);
          }
        }
      }
      const status = async (...asked: [client: string, method: string, target: string]) => (await ask(...asked)).status;
      assert((await ask("reader", "GET", "/vault/plain.txt")).body.includes("SECRET"));
      assert((await ask("reader", "GET", "/vault/?q=SECRET&format=text")).body.includes("SECRETNAME"));
      assert((await ask("reader", "GET", "/pub/?format=json")).body.includes("linkdir"));
      if (site === "programs") {
        for (const target of ["/vault/run.cgi", "/vault/run.cgi/a%2fb", "/vault/app/", "/pub/prog.cgi", "/pub/tool"]) {
          assert((await ask("runner", "GET", target)).body.includes("SECRET output"), target);
          assert((await ask("runner", "POST", target)).body.includes("SECRET output"), target);
        }
        assertEquals(await status("runner", "GET", "/vault/x.php"), 502);
        continue;
      }
      assertEquals(await status("writer", "PUT", "/vault/new.txt"), 201);
      assertEquals(await status("remover", "DELETE", "/vault/plain.txt"), 204);
    }
  },
});

Deno.test({
  name: "the entity tag of one client is not confirmed to another who would get something else",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await vaultTree();
    await using door = await overHttp1(fetchOf)(tree, "uploads");
    const targets = [...ABOVE, "/pub/link.txt", "/vault/", "/vault/plain.txt", "/vault/?format=json", "/pub/open.txt"];
    let [tags, confirmed] = [0, 0];
    for (const target of targets) {
      const clients = Object.keys(CLIENTS);
      const ask = (client: string, ...lines: string[]) => {
        return door.client.ask("GET", target, [...linesOf(client, { method: "GET", needs: [] }), ...lines]);
      };
      const answers = new Map<string, Answer>();
      for (const client of clients) answers.set(client, await ask(client));
      for (const [client, { head, body }] of answers) {
        const tag = head.find((line) => /^etag:/i.test(line))?.slice(5).trim();
        if (tag === undefined) continue;
        tags++;
        for (const other of clients) {
          const { status, head } = await ask(other, `If-None-Match: ${tag}`);
          if (status !== 304) continue;
          confirmed++;
          assertEquals(answers.get(other)!.body, body, `${target}: ${other} has the tag of ${client}`);
          const policy = head.find((line) => /^cache-control:/i.test(line)) ?? "";
          assertEquals(/private/.test(policy), other !== "stranger", `${target} for ${other}: ${policy}`);
        }
      }
    }
    assert(tags > 50 && confirmed > tags, `${tags} tags, ${confirmed} confirmed`);
  },
});

Deno.test({
  name: "whoever may only upload does not learn which names are taken",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await vaultTree();
    await using door = await overHttp1(fetchOf)(tree, "uploads");
    const form = (name: string) =>
      `--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\nx\r\n--b--\r\n`;
    const asks: readonly ((name: string) => [method: string, target: string, lines: string[], body?: string])[] = [
      (name) => ["PUT", `/vault/${name}`, [], "x"],
      (name) => ["PUT", `/vault/${name}`, ["Accept: application/json"], "x"],
      (name) => ["PUT", `/vault/${name}`, ["If-None-Match: *"], "x"],
      (name) => ["PUT", `/vault/${name}`, ["If-Match: *"], "x"],
      (name) => ["PUT", `/vault/${name}?upload=01234567${name.slice(0, 5)}`, ["Upload-Complete: ?1"], "x"],
      (name) => ["POST", "/vault/", ['Content-Type: multipart/form-data; boundary="b"'], form(name)],
      (name) => ["COPY", "/own/mine.txt", [`Destination: /vault/${name}`, "Overwrite: F"]],
      (name) => ["GET", `/vault/${name}?upload=01234567${name.slice(0, 5)}`, []],
    ];
    let absent = 0;
    for (const ask of asks) {
      const said = async (name: string) => {
        const [method, target, lines, body] = ask(name);
        const { status, head, body: text } = await door.client.ask(
          method,
          target,
          [...linesOf("writer", { method, needs: [] }), ...lines],
          body,
        );
        const own = head.filter((line) => !/^(?:date|etag|last-modified|content-length):/i.test(line)).sort();
        return [status, ...own, text.replace(/"(?:etag|modified)":"(?:[^"\\]|\\.)*"/g, "")]
          .join("\n").replaceAll(name, "NAME").replaceAll(`01234567${name.slice(0, 5)}`, "ID");
      };
      assertEquals(await said("plain.txt"), await said(`free${absent++}.txt`), ask("plain.txt").join(" "));
    }
  },
});
