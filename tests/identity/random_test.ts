/** Random users, rules, requests and changes: nobody gets what the rules do not grant, and the cache changes no response. */

import { assert, assertEquals } from "@std/assert";
import { archives, checksums, disk, fileServer, searches, serve, SitePath, toFetch } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { AccessRules, parseAccessRule } from "../../handlers/identity/rules.ts";
import { userFile } from "../../handlers/identity/user_file.ts";
import { certificate } from "../doors/doors.ts";
import { start } from "../support/command.ts";
import { seeded } from "../support/random.ts";
import { until } from "../support/wait.ts";
import { oldTree, settleTimes, type TempTree, tempTree } from "../support/tree.ts";
import { type Client, connectionsTo, http2To } from "./matrix_client.ts";
import type { Answer } from "./matrix_model.ts";

const ignore = Deno.build.os === "windows";
const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

const DIRECTORIES = ["red", "blue", "blue/deep", "open"];
const NAMES = ["ann", "bob", "eve"];
/** SHA-1 of these passwords; hashing is not what is tested. */
const HASHES = { secret: "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", other: "{SHA}0JQaeNqPOBUf+Gph/Fn3xc+fyqI=" } as const;
type Password = keyof typeof HASHES;

/** Each file tells where it is, in its content and in its name. */
const fileName = (directory: string, number: number) => `${directory.replace("/", "-")}-${number}.txt`;
const ALL = DIRECTORIES.flatMap((directory) => [1, 2].map((number) => `${directory}/${fileName(directory, number)}`));
const MARKER = /(red|blue-deep|blue|open)-([12])\.txt/g;

/** The path of the file with a marker. */
function pathOf(directory: string, number: string): SitePath {
  return [...directory.split("-"), `${directory}-${number}.txt`]
    .reduce((path, name) => path.child(name)!, SitePath.root);
}

class World {
  readonly tree: TempTree;
  readonly passwords = new Map<string, Password>();
  readonly #pick: <T>(values: readonly T[]) => T;
  /** Of the user file: the name of a user in it. */
  version = 0;
  #versions = 0;

  constructor(tree: TempTree, pick: <T>(values: readonly T[]) => T) {
    this.tree = tree;
    this.#pick = pick;
  }

  async writeUsers(path: string): Promise<void> {
    const lines = [...this.passwords].map(([name, password]) => `${name}:${HASHES[password]}\n`).join("");
    this.version = ++this.#versions;
    await Deno.writeTextFile(path, `version${this.version}:${HASHES.other}\n${lines}`);
    await settleTimes(path, Date.now() / 1000 - 100 + this.#versions / 100);
  }

  changeUser(): void {
    const name = this.#pick(NAMES);
    if (this.#pick([true, false])) this.passwords.delete(name);
    else this.passwords.set(name, this.#pick(["secret", "other"]));
  }

  async changeFile(): Promise<void> {
    const path = this.tree.at(this.#pick(ALL));
    await Deno.remove(path).catch(() => {});
    if (this.#pick([true, false, false])) return;
    await Deno.writeTextFile(path, `${path.slice(path.lastIndexOf("/") + 1)} ${this.#versions++}`);
    await settleTimes(path, Date.now() / 1000 - 5_000 + this.#versions);
  }

  /** A link to a file or a directory, under a name that tells nothing. */
  async changeLink(): Promise<void> {
    const path = this.tree.at(`open/${this.#pick(["x", "y"])}`);
    await Deno.remove(path).catch(() => {});
    await Deno.symlink(`../${this.#pick([...ALL, ...DIRECTORIES])}`, path);
  }
}

const TARGETS = [
  ...ALL.map((path) => `/${path}`),
  ...DIRECTORIES.map((directory) => `/${directory}/`),
  ...["/", "/red", "/?format=json", "/open/?format=text", "/?q=txt&format=text", "/blue/?archive=tar", "/?archive=tar"],
  ...["/open/x", "/open/y", "/open/x/", "/open/x/red-1.txt", "/open/x/blue-1.txt", "/open/x/?format=json"],
  ...[
    "/red/red-1.txt?sha256",
    "/open/x?md5",
    "/nothing",
    "/red/nothing",
    "//red//red-1.txt",
    "/open/../blue/blue-1.txt",
  ],
];

const NUMBERS = Array.from({ length: 250 }, (_, index) => index);

const HEADERS = [[], ["Accept: application/json"], ["Accept: text/html"], ["If-None-Match: *"], ["Range: bytes=0-3"]];

function randomRules(pick: <T>(values: readonly T[]) => T): string[] {
  const who = () => pick(["anyone", "users", ...NAMES]);
  const some = Array.from({ length: 5 }, () => `${who()}:${pick(["read", "read", "none"])}@/${pick(DIRECTORIES)}`);
  return [`${pick(["anyone", "users"])}:read`, ...some];
}

/** Asserts that an answer has only markers of what a user may read. */
function assertGranted(what: string, rules: AccessRules, user: string | null, { head, body }: Answer): number {
  const { may } = rules.of(user);
  const markers = [...`${head.join("\n")}\n${body}`.matchAll(MARKER)];
  for (const [marker, directory, number] of markers) {
    assert(may("read", pathOf(directory!, number!)), `${what}: ${marker}`);
  }
  return markers.length;
}

/** The answer without what the connection adds, and without the name in the request. */
function comparable({ status, head, body }: Answer): unknown {
  const lines = head.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()));
  const own = lines.filter((line) => !/^(?:date|connection|keep-alive|transfer-encoding|content-length):/.test(line));
  return [status, own.sort(), body];
}

interface Asked {
  readonly user: string | null;
  readonly target: string;
  readonly lines: readonly string[];
  readonly what: string;
}

/** A random request, and as whom it counts: a wrong password is nobody's. */
function randomRequest(world: World, pick: <T>(values: readonly T[]) => T): Asked {
  const name = pick([null, ...NAMES]);
  const own = name === null ? undefined : world.passwords.get(name);
  const password = pick([own, own, own, "secret", "other"] as const) ?? "secret";
  const isRight = name !== null && world.passwords.get(name) === password;
  const credentials = name === null ? [] : [`Authorization: Basic ${btoa(`${name}:${password}`)}`];
  const [target, headers] = [pick(TARGETS), pick(HEADERS)];
  // From many addresses: the delays after failures are not what is tested.
  const from = `X-Forwarded-For: 192.0.${pick(NUMBERS)}.${pick(NUMBERS)}`;
  const lines = [...credentials, ...headers, from];
  return { user: isRight ? name : null, target, lines, what: `${name}:${password} ${target} ${headers}` };
}

Deno.test(
  { name: "random users, rules, requests and changes, over HTTP/1 and HTTP/2, cached and not", ignore },
  async () => {
    const tls = await certificate();
    let [seen, refused] = [0, 0];
    for (let seed = 1; seed <= 5; seed++) {
      const next = seeded(seed);
      const pick = <T>(values: readonly T[]) => values[Math.floor(next() * values.length)]!;
      await using tree = await oldTree(Object.fromEntries(ALL.map((path) => [path, path.replace(/.*\//, "")])));
      await using own = await tempTree({ users: "" });
      const world = new World(tree, pick);
      for (const name of NAMES) world.passwords.set(name, "secret");
      await world.writeUsers(own.at("users"));
      await world.changeLink();
      const texts = randomRules(pick);
      const rules = new AccessRules(texts.map(parseAccessRule));
      let now = 0;
      const probe = userFile(own.at("users"), { now: () => now });
      const siteWith = (cacheSize?: number) => {
        const layer = auth({ users: userFile(own.at("users"), { now: () => now }), rules: texts });
        const features = [searches(), archives(), checksums()];
        const options = {
          features,
          layers: [layer],
          log: false,
          ...(cacheSize !== undefined && { cacheSize }),
        } as const;
        return toFetch(fileServer(disk(tree.path), options), { log: { access() {}, error() {} }, accessLog: false });
      };
      const cached = siteWith();
      const servers = [
        serve(cached, LOOPBACK),
        serve(siteWith(0), LOOPBACK),
        serve(cached, { ...LOOPBACK, tls }),
      ] as const;
      const clients: readonly Client[] = [
        connectionsTo(servers[0].address.port),
        connectionsTo(servers[1].address.port),
        http2To(servers[2].address.port, tls.cert),
      ];
      try {
        for (let step = 0; step < 250; step++) {
          const change = Math.floor(next() * 12);
          if (change === 0) await world.changeFile();
          if (change === 1) await world.changeLink();
          if (change === 2) {
            world.changeUser();
            await world.writeUsers(own.at("users"));
            // A file that has just been written to may still be, and is read a moment later.
            const isRead = () => {
              now += 1_000;
              return probe.find(`version${world.version}`) !== null;
            };
            await until(isRead, "the new users are read");
            now += 1_000;
          }
          const { user, target, lines, what } = randomRequest(world, pick);
          const answers = [];
          for (const client of clients) answers.push(await client.ask("GET", target, lines));
          const told = `seed ${seed}, step ${step}: ${what}; ${texts}`;
          const [first, second, third] = answers as [Answer, Answer, Answer];
          if (answers.some(({ status }) => status === 429)) continue; // too many wrong passwords: each server counts
          for (const answer of answers) seen += assertGranted(told, rules, user, answer);
          if (first.status > 400) refused++;
          assertEquals(comparable(first), comparable(second), told);
          assertEquals(comparable(third), comparable(second), `${told}, HTTP/2`);
        }
      } finally {
        for (const client of clients) await client[Symbol.asyncDispose]();
        for (const server of servers) await server.abort();
      }
    }
    assert(seen > 500 && refused > 100, `${seen} seen, ${refused} refused`);
  },
);

Deno.test(
  { name: "the same holds for two workers, whose user file changes", ignore: Deno.build.os !== "linux" },
  async () => {
    const next = seeded(7);
    const pick = <T>(values: readonly T[]) => values[Math.floor(next() * values.length)]!;
    await using tree = await tempTree(Object.fromEntries(ALL.map((path) => [path, path.replace(/.*\//, "")])));
    await using own = await tempTree({ users: "" });
    const world = new World(tree, pick);
    for (const name of NAMES) world.passwords.set(name, "secret");
    await world.writeUsers(own.at("users"));
    await Deno.chmod(own.at("users"), 0o600);
    const texts = ["anyone:read@/open", "users:read", "ann:read@/red", "bob:read@/blue/deep"];
    const rules = new AccessRules(texts.map(parseAccessRule));
    const access = texts.flatMap((text) => ["--access", text]);
    const state = ["--auth", own.at("users"), "--state", own.at("state")];
    await using command = await start([tree.path, ...state, ...access, "--workers", "2", "--quiet"]);
    let seen = 0;
    for (let round = 0; round < 4; round++) {
      await using client = connectionsTo(command.port);
      const ask = async () => {
        const { user, target, lines, what } = randomRequest(world, pick);
        seen += assertGranted(`round ${round}: ${what}`, rules, user, await client.ask("GET", target, lines));
      };
      for (let step = 0; step < 60; step++) await Promise.all([ask(), ask(), ask(), ask()]);
      world.passwords.delete(NAMES[round % 3]!);
      if (round > 0) world.passwords.set(NAMES[(round - 1) % 3]!, "other");
      await world.writeUsers(own.at("users"));
      await world.changeLink();
      const gone = `Authorization: Basic ${btoa(`${NAMES[round % 3]}:secret`)}`;
      // Each worker notices the change within a second, when it is asked; a new connection leads to either of them.
      for (let denied = 0; denied < 30;) {
        await using another = connectionsTo(command.port);
        const { status } = await another.ask("GET", "/open/", [gone]);
        denied = status === 401 || status === 429 ? denied + 1 : 0;
      }
    }
    assert(seen > 80, `${seen}`);
  },
);
