/** Three processes with one directory and one state, behind a proxy that sends requests to each in turn. */

import { assert, assertEquals } from "@std/assert";
import { runCommand } from "../support/command.ts";
import { noise } from "../support/bytes.ts";
import { missing } from "../support/programs.ts";
import { type Replicas, startReplicas } from "../support/replicas.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { sha256 } from "../support/upload.ts";
import { delay, until } from "../support/wait.ts";

const PASSWORD = "correct horse";
const ANN = { authorization: `Basic ${btoa(`ann:${PASSWORD}`)}` };
const OPTIONS = { ignore: missing("nginx") };

/** Each request is sent this often where all replicas have to give the same answer. */
const ROUNDS = 6;

interface Site extends AsyncDisposable {
  readonly tree: TempTree;
  readonly replicas: Replicas;
  /** Sends a request, on a connection of its own or a reused one. */
  ask(method: string, path: string, init?: RequestInit): Promise<Response>;
  /** Its status. */
  status(method: string, path: string, init?: RequestInit): Promise<number>;
}

async function site(spare = 0): Promise<Site> {
  const tree = await tempTree({ "site/a.txt": "a", "site/docs/b.txt": "bb", "site/docs/c.txt": "ccc", "state/": "" });
  await Deno.chmod(tree.at("state"), 0o700);
  const replicas = await startReplicas(
    [tree.at("site"), "--quiet", "--all", "--auth-env", "LOGIN", "--state", tree.at("state")],
    { spare, env: { LOGIN: `ann:${PASSWORD}` } },
  );
  const client = Deno.createHttpClient({});
  const ask: Site["ask"] = (method, path, init) =>
    fetch(`${replicas.url}${path}`, { redirect: "manual", ...init, method, client });
  return {
    tree,
    replicas,
    ask,
    async status(...request) {
      const response = await ask(...request);
      await response.body?.cancel();
      return response.status;
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await replicas[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a session begins at one replica, holds at all, and ends at all", OPTIONS, async () => {
  await using s = await site();
  const body = new URLSearchParams({ username: "ann", password: PASSWORD, to: "/" });
  const login = await s.ask("POST", "/.pyserve/login", { body, headers: { origin: s.replicas.url } });
  await login.body?.cancel();
  assertEquals(login.status, 303);
  const headers = { cookie: login.headers.get("set-cookie")!.replace(/;.*/, ""), origin: s.replicas.url };
  for (let i = 0; i < ROUNDS; i++) assertEquals(await s.status("GET", "/a.txt", { headers }), 200);
  assertEquals(await s.status("POST", "/.pyserve/logout", { headers }), 303);
  await until(async () => {
    for (let i = 0; i < ROUNDS; i++) if (await s.status("GET", "/a.txt", { headers }) !== 401) return false;
    return true;
  });
});

Deno.test("a share link made by one replica, or by the command, works and ends at all", OPTIONS, async () => {
  await using s = await site();
  const made = await s.ask("POST", "/.pyserve/shares", {
    headers: { ...ANN, "content-type": "application/json", origin: s.replicas.url },
    body: JSON.stringify({ paths: ["/docs/"], rights: ["read"] }),
  });
  const { id, link } = await made.json();
  const path = `/.pyserve/${link}b.txt`;
  for (let i = 0; i < ROUNDS; i++) assertEquals(await s.status("GET", path), 200, path);
  assertEquals(await s.status("DELETE", `/.pyserve/shares/${id}`, { headers: ANN }), 204);
  await until(async () => {
    for (let i = 0; i < ROUNDS; i++) if (await s.status("GET", path) === 200) return false;
    return true;
  });
  const shared = await runCommand([
    ...["share", "--state", s.tree.at("state"), s.tree.at("site/docs"), "--url", `${s.replicas.url}/`],
  ]);
  assertEquals(shared.code, 0, shared.stderr);
  const { pathname } = new URL(shared.stdout.trim());
  for (let i = 0; i < ROUNDS; i++) assertEquals(await s.status("GET", `${pathname}c.txt`), 200);
});

Deno.test(
  "files and archives have the same entity tag at all replicas, so a download can go on at another",
  OPTIONS,
  async () => {
    await using s = await site();
    for (const path of ["/docs/b.txt", "/docs/?archive=zip"]) {
      // It is weak for two seconds after a change.
      await until(async () => {
        const { headers } = await s.ask("HEAD", path, { headers: ANN });
        return !headers.get("etag")!.startsWith("W/");
      });
      const first = await s.ask("GET", path, { headers: ANN });
      const whole = new Uint8Array(await first.arrayBuffer());
      const etag = first.headers.get("etag");
      assert(first.status === 200, path);
      for (let i = 0; i < ROUNDS; i++) {
        assertEquals(await s.status("GET", path, { headers: { ...ANN, "if-none-match": etag! } }), 304, path);
        const part = await s.ask("GET", path, { headers: { ...ANN, range: "bytes=1-", "if-range": etag! } });
        assertEquals(part.status, 206, path);
        assertEquals(new Uint8Array(await part.arrayBuffer()), whole.subarray(1));
      }
    }
  },
);

Deno.test("what one replica stores or deletes, none of them serves otherwise from then on", OPTIONS, async () => {
  await using s = await site();
  for (let i = 0; i < ROUNDS; i++) {
    const headers = { ...ANN, ...i > 0 && { "if-match": "*" } };
    assert([201, 204].includes(await s.status("PUT", "/new.txt", { headers, body: `${i}` })));
    for (let j = 0; j < ROUNDS; j++) {
      assertEquals(await (await s.ask("GET", "/new.txt", { headers: ANN })).text(), `${i}`);
    }
  }
  assertEquals(await s.status("DELETE", "/new.txt", { headers: ANN }), 204);
  for (let i = 0; i < ROUNDS; i++) {
    assertEquals(await s.status("GET", "/new.txt", { headers: ANN }), 404);
    assert(!(await (await s.ask("GET", "/?format=text", { headers: ANN })).text()).includes("new.txt"));
  }
});

/** Uploads a file in pieces, as the page does: what went wrong is asked for, and sent again. @returns The failures. */
async function uploadInPieces(s: Site, path: string, content: Uint8Array<ArrayBuffer>, id: string): Promise<number> {
  const size = 65_536;
  const target = `${path}?upload=${id}`;
  let failures = 0;
  for (let offset = 0; offset < content.length;) {
    const piece = content.subarray(offset, offset + size);
    const isLast = offset + piece.length === content.length;
    const headers = { ...ANN, "upload-offset": String(offset), ...isLast && { "upload-complete": "?1" } };
    const status = await s.status("PATCH", target, { headers, body: piece }).catch(() => 0);
    if (status === (isLast ? 201 : 204)) {
      offset += piece.length;
      continue;
    }
    failures++;
    assert(failures < 100, `${path}: ${status}`);
    await delay(50);
    const state = await s.ask("HEAD", target, { headers: ANN }).catch(() => null);
    if (state?.headers.get("upload-complete") === "?1") return failures;
    if (state?.status === 200) offset = Number(state.headers.get("upload-offset"));
  }
  return failures;
}

Deno.test("no upload is lost while one replica is killed and another starts", OPTIONS, async () => {
  await using s = await site(1);
  const files = Array.from({ length: 6 }, (_, i) => ({ path: `/up${i}.bin`, content: noise(3_000_000) }));
  let isDone = false;
  const read = { requests: 0, lost: 0 };
  const reader = async () => {
    while (!isDone) {
      read.requests++;
      const text = await s.ask("GET", "/docs/b.txt", { headers: ANN }).then((one) => one.text(), () => null);
      if (text !== "bb") read.lost++;
    }
  };
  const readers = [reader(), reader()];
  const uploads = files.map(({ path, content }, i) => uploadInPieces(s, path, content, `replica-upload-${i}`));
  await until(async () => (await s.status("HEAD", "/up0.bin?upload=replica-upload-0", { headers: ANN })) === 200);
  await s.replicas.kill(0);
  await s.replicas.start(3);
  await Promise.all(uploads);
  isDone = true;
  await Promise.all(readers);
  for (const { path, content } of files) {
    const stored = new Uint8Array(await (await s.ask("GET", path, { headers: ANN })).arrayBuffer());
    assertEquals(await sha256(stored), await sha256(content), path);
  }
  // nginx asks another replica, so not even a request is lost, apart from one whose answer had begun.
  assert(read.lost <= readers.length, `${read.lost} of ${read.requests}`);
  const left = [...Deno.readDirSync(s.tree.at("site"))].filter(({ name }) => name.endsWith(".part"));
  assertEquals(left, []);
});
