/**
 * A reference model of rights: who may do what with which path, and requests that ask for it in every way.
 *
 * Each case asks for a path that exists and for one that does not, in the same words. Where the model says that the client
 * may not, both answers must be equal, and neither may contain anything of what is there.
 */

import { assert } from "@std/assert";
import type { UserRight } from "../../handlers/identity/user_rights.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

/** The users and their rights to /vault; a stranger has not logged in, and a guest has no rights there. */
export const CLIENTS: Readonly<Record<string, readonly UserRight[]>> = {
  stranger: [],
  guest: [],
  reader: ["read"],
  writer: ["upload"],
  remover: ["delete"],
  runner: ["run"],
  sharer: ["share"],
};

/** The rules, below a prefix. */
export function rulesBelow(prefix = ""): string[] {
  const own = Object.entries(CLIENTS).flatMap(([name, rights]) =>
    rights.length === 0 ? [] : [`${name}:${rights.join()}@${prefix}/vault`]
  );
  return [`anyone:read,run@${prefix}/`, `users:all@${prefix}/own`, `guest:all@${prefix}/vaultish`, ...own];
}

/** What nobody may see who may not: bytes, names, the size and the date of what is in /vault. */
const MARKERS = /SECRET|\b31337\b|30\.6 ?K|\b2001\b/; // as words: entity tags and hashes of scripts may have the digits

/** The name of the directory, in listings of the directories above. */
const HIDDEN_NAMES = /vault(?!ish)|"door"|prog\.cgi|link(?:dir|\.txt)|"tool"/;

const SECRET = "SECRET bytes ".repeat(3_000).slice(0, 31_337);
const PROGRAM = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nSECRET output'\n";

/** A site with a directory that most clients may not see, and links into it. */
export async function vaultTree(): Promise<TempTree> {
  const tree = await tempTree({
    "index.txt": "open",
    "pub/open.txt": "open",
    "own/mine.txt": "mine",
    "vaultish/theirs.txt": "theirs",
    "vault/plain.txt": SECRET,
    "vault/plain.txt.gz": SECRET,
    "vault/caf\u00e9.txt": SECRET,
    "vault/sub/SECRETNAME.txt": SECRET,
    "vault/page/index.html": SECRET,
    "vault/run.cgi": PROGRAM,
    "vault/x.php": "<?php echo 'SECRET';",
    "vault/app/index.cgi": PROGRAM,
  });
  for (const name of ["vault/run.cgi", "vault/app/index.cgi"]) await Deno.chmod(tree.at(name), 0o755);
  await Deno.symlink("../vault/plain.txt", tree.at("pub/link.txt"));
  await Deno.symlink("../vault", tree.at("pub/linkdir"));
  await Deno.symlink("../vault/run.cgi", tree.at("pub/prog.cgi"));
  await Deno.symlink("../vault/run.cgi", tree.at("pub/tool"));
  await Deno.symlink("../vault", tree.at("own/door"));
  const long = new Date("2001-02-03T04:05:06Z");
  const vault = [...walk(tree.at("vault"))];
  for (const path of [...vault, tree.at("vault")]) await Deno.utime(path, long, long);
  return tree;
}

function* walk(path: string): Generator<string> {
  for (const entry of Deno.readDirSync(path)) {
    if (entry.isDirectory) yield* walk(`${path}/${entry.name}`);
    yield `${path}/${entry.name}`;
  }
}

/** Everything in a tree, to tell whether anything has changed. */
export function contentsOf(tree: TempTree): string {
  const facts = [...walk(tree.path)].map((path) => {
    const { size, mtime, isSymlink } = Deno.lstatSync(path);
    return `${path} ${size} ${isSymlink} ${mtime?.getTime()}`;
  });
  return facts.sort().join("\n");
}

type Kind = "file" | "directory" | "program" | "index program";

/** A path that exists, and one that does not and gets the same rights by name. */
export interface Twins {
  readonly there: string;
  readonly absent: string;
  readonly kind: Kind;
  /** Whether it is below the prefix of the rules, or is reached by a link. */
  readonly inVault: boolean;
}

const TWINS: readonly Twins[] = [
  { there: "/vault/plain.txt", absent: "/vault/plaim.txt", kind: "file", inVault: true },
  { there: "/vault/café.txt", absent: "/vault/cafè.txt", kind: "file", inVault: true },
  { there: "/vault/sub", absent: "/vault/sud", kind: "directory", inVault: true },
  { there: "/vault/sub/", absent: "/vault/sud/", kind: "directory", inVault: true },
  { there: "/vault/page/", absent: "/vault/pagf/", kind: "directory", inVault: true },
  { there: "/vault/run.cgi", absent: "/vault/rum.cgi", kind: "program", inVault: true },
  { there: "/vault/run.cgi/more/info", absent: "/vault/rum.cgi/more/info", kind: "program", inVault: true },
  { there: "/vault/run.cgi/a%2fb", absent: "/vault/rum.cgi/a%2fb", kind: "program", inVault: true },
  { there: "/vault/x.php", absent: "/vault/y.php", kind: "program", inVault: true },
  { there: "/vault/app/", absent: "/vault/apq/", kind: "index program", inVault: true },
  { there: "/pub/link.txt", absent: "/pub/limk.txt", kind: "file", inVault: false },
  { there: "/pub/linkdir/", absent: "/pub/linkdis/", kind: "directory", inVault: false },
  { there: "/pub/linkdir", absent: "/pub/linkdis", kind: "directory", inVault: false },
  { there: "/pub/linkdir/plain.txt", absent: "/pub/linkdis/plain.txt", kind: "file", inVault: false },
  { there: "/pub/prog.cgi", absent: "/pub/prof.cgi", kind: "program", inVault: false },
  { there: "/pub/prog.cgi/info", absent: "/pub/prof.cgi/info", kind: "program", inVault: false },
  { there: "/pub/tool", absent: "/pub/tooo", kind: "program", inVault: false },
  { there: "/pub/tool/info", absent: "/pub/tooo/info", kind: "program", inVault: false },
  { there: "/pub/linkdir/app/", absent: "/pub/linkdir/apq/", kind: "index program", inVault: false },
  { there: "/own/door/plain.txt", absent: "/own/door/plaim.txt", kind: "file", inVault: false },
  { there: "/own/door/sub/", absent: "/own/door/sud/", kind: "directory", inVault: false },
  { there: "/own/door/sub/new.txt", absent: "/own/door/sud/new.txt", kind: "file", inVault: false },
  { there: "/own/door/plain.txt/new.txt", absent: "/own/door/plaim.txt/new.txt", kind: "file", inVault: false },
  { there: "/vault/plain.txt/new.txt", absent: "/vault/plaim.txt/new.txt", kind: "file", inVault: true },
];

/** A request, without its path. */
export interface Ask {
  readonly method: string;
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  /** What it needs at its path; `content` is reading, or running where there is a program. */
  readonly needs: readonly (UserRight | "content")[];
  /** Whether its path is that of the Destination of a request to /own/mine.txt. */
  readonly destination?: boolean;
}

const FORM = 'multipart/form-data; boundary="b"';
const FORM_BODY = '--b\r\nContent-Disposition: form-data; name="f"; filename="plain.txt"\r\n\r\nx\r\n--b--\r\n';

const content = (method: string, query = "", ...headers: string[]): Ask => {
  return { method, query, headers, needs: ["content"] };
};

/** All methods and queries. */
export const ASKS: readonly Ask[] = [
  content("GET"),
  content("HEAD"),
  content("GET", "", "Range: bytes=0-0"),
  content("GET", "", "Range: bytes=40000-"),
  content("GET", "", "If-None-Match: *"),
  content("GET", "", "If-Match: *"),
  content("GET", "", 'If-Match: "x"'),
  content("GET", "", "If-Modified-Since: Sat, 03 Feb 2001 05:00:00 GMT"),
  content("GET", "", "If-Unmodified-Since: Sat, 03 Feb 2001 03:00:00 GMT"),
  content("HEAD", "", "If-Range: Sat, 03 Feb 2001 04:05:06 GMT", "Range: bytes=0-0"),
  content("GET", "", "Accept-Encoding: gzip"),
  content("GET", "", "Accept: application/json"),
  content("GET", "", "Accept: text/html", "User-Agent: Mozilla/5.0"),
  content("GET", "sha256"),
  content("GET", "md5&format=json"),
  content("HEAD", "sha1"),
  content("GET", "archive=zip"),
  content("GET", "archive=tar&name=sub"),
  content("HEAD", "archive=tar.gz"),
  content("GET", "q=SECRET&format=json"),
  content("GET", "q=*&format=text"),
  content("GET", "format=json"),
  content("GET", "format=text&sort=size"),
  content("GET", "format=html"),
  content("GET", "upload=0123456789abcdef0123"),
  content("HEAD", "upload=0123456789abcdef0123"),
  content("GET", "x=y"),
  { method: "OPTIONS", needs: [] },
  { method: "TRACE", needs: [] },
  { method: "PROPFIND", needs: [] },
  { method: "LOCK", needs: [] },
  { method: "BREW", needs: [] },
  { method: "PUT", body: "x", needs: ["upload"] },
  { method: "PUT", headers: ["If-None-Match: *"], body: "x", needs: ["upload"] },
  { method: "PUT", headers: ["If-Match: *"], body: "x", needs: ["upload"] },
  { method: "PUT", query: "on-conflict=overwrite", body: "x", needs: ["upload", "delete"] },
  {
    method: "PUT",
    query: "upload=0123456789abcdef0124",
    headers: ["Upload-Complete: ?0"],
    body: "x",
    needs: ["upload"],
  },
  {
    method: "PATCH",
    query: "upload=0123456789abcdef0125",
    headers: ["Upload-Offset: 0", "Upload-Complete: ?1", "Content-Type: application/partial-upload"],
    body: "x",
    needs: ["upload"],
  },
  { method: "PATCH", body: "x", needs: ["upload"] },
  { method: "POST", headers: [`Content-Type: ${FORM}`], body: FORM_BODY, needs: ["upload"] },
  { method: "POST", headers: ["Content-Type: application/x-www-form-urlencoded"], body: "a=b", needs: ["upload"] },
  { method: "POST", headers: ["Upload-Complete: ?0"], body: "x", needs: ["upload"] },
  { method: "MKCOL", needs: ["upload"] },
  { method: "DELETE", needs: ["delete"] },
  { method: "DELETE", query: "recursive", needs: ["delete"] },
  { method: "DELETE", query: "upload=0123456789abcdef0126", needs: ["upload"] },
  { method: "MOVE", headers: ["Destination: /own/moved"], needs: ["delete", "read"] },
  { method: "COPY", headers: ["Destination: /own/copied"], needs: ["read"] },
  { method: "MOVE", destination: true, needs: ["upload"] },
  { method: "MOVE", headers: ["Overwrite: T"], destination: true, needs: ["upload", "delete"] },
  { method: "COPY", destination: true, needs: ["upload"] },
  { method: "COPY", headers: ["Overwrite: T"], destination: true, needs: ["upload", "delete"] },
];

/** The requests that are sent in each spelling of a path. */
const SHORT = new Set([0, 1, 13, 16, 20, 32, 39, 43]);

/** Spellings of a path. Some name another path, or none. */
export const FORMS: Readonly<Record<string, (path: string) => string>> = {
  encoded: (path) => path.replace("/vault", "/%76ault").replace("/pub", "/%70ub").replace("/own", "/ow%6e"),
  "encoded twice": (path) => path.replace("/vault", "/%2576ault").replace("/pub", "/%2570ub"),
  "doubled slashes": (path) => path.replace(/(.)\//g, "$1//"),
  "a doubled slash in front": (path) => `/${path}`,
  dots: (path) => `/.${path.replace(/^\/\w+/, "$&/.")}`,
  "dots upwards": (path) => `/pub/..${path}`,
  "encoded dots": (path) => `/pub/%2e%2E${path}`,
  "half encoded dots": (path) => `/nothing/.%2e${path}`,
  "dots above the root": (path) => `/..${path}`,
  "an encoded slash": (path) => path.replace(/^(\/\w+)\//, "$1%2F"),
  "a backslash": (path) => path.replace(/^(\/\w+)\//, "$1%5c"),
  "another case": (path) => path.replace(/^\/\w+/, (name) => name.toUpperCase()),
  "a trailing slash": (path) => `${path}/`,
  "a trailing dot": (path) => `${path}/.`,
  "a trailing space": (path) => `${path}%20`,
  "a NUL": (path) => `${path}%00`,
  "a parameter": (path) => `${path};x=1`,
  "another prefix": (path) => path.replace("/vault/", "/vaultish/../vault/"),
  decomposed: (path) => path.normalize("NFD"),
  "an absolute form": (path) => `http://localhost${path}`,
};

/** A case: a client, a request, and two paths. */
export interface Case {
  readonly client: string;
  readonly ask: Ask;
  readonly twins: Twins;
  readonly form: string;
}

/** Whether programs run on a site, or files are taken: never both. */
export type SiteKind = "programs" | "uploads";

/** The cases in which the client may not, by the model. */
export function forbidden(site: SiteKind): Case[] {
  const cases: Case[] = [];
  for (const client of Object.keys(CLIENTS)) {
    for (const twins of TWINS) {
      for (const [index, ask] of ASKS.entries()) {
        if (isAllowed(site, client, ask, twins)) continue;
        cases.push({ client, ask, twins, form: "" });
        if (SHORT.has(index)) cases.push(...Object.keys(FORMS).map((form) => ({ client, ask, twins, form })));
      }
    }
  }
  return cases;
}

/** Whether a client may do more than see that the server refuses. */
function isAllowed(site: SiteKind, client: string, ask: Ask, { kind, inVault }: Twins): boolean {
  const rights: readonly string[] = CLIENTS[client]!;
  const runs = site === "programs" && (kind === "program" || kind === "index program");
  if (runs && !ask.destination && rights.includes("run")) return true;
  // A reader may know of a program that it may not run.
  if (runs && rights.includes("read")) return true;
  if (ask.needs.length === 0) return false;
  if (ask.destination && client === "stranger") return false;
  // Deleting tells what exists, so that moving need not conceal it.
  if (ask.method === "MOVE" && !ask.destination && rights.includes("delete")) return true;
  // Readers know what they may not change.
  if (!inVault && rights.includes("read")) return true;
  return ask.needs.every((need) => rights.includes(need === "content" ? "read" : need));
}

/** The path of a case as sent. */
export function targetOf({ twins, form }: Case, which: "there" | "absent"): string {
  const path = encodeURI(twins[which]).replaceAll("%25", "%");
  if (form === "decomposed") return encodeURI(twins[which].normalize("NFD")).replaceAll("%25", "%");
  return form === "" ? path : FORMS[form]!(path);
}

/** Parts of an answer. */
export interface Answer {
  readonly status: number;
  /** The header as lines, in any order. */
  readonly head: readonly string[];
  readonly body: string;
}

/** Asserts that an answer about what exists tells nothing. */
export function assertNothing(what: string, { client, twins, form }: Case, there: Answer, absent: Answer): void {
  const text = `${there.head.join("\n")}\n${there.body}`;
  assert(!MARKERS.test(text), `${what}: ${MARKERS.exec(text)} in ${there.status} ${text.slice(0, 500)}`);
  const [one, other] = [said(there, twins, form), said(absent, twins, form)];
  if (one !== other) {
    throw new Error(`${what} (${client}): ${one.slice(0, 700)}\n-- but for an absent path --\n${other.slice(0, 700)}`);
  }
}

/** An answer without the name that was asked for. */
function said({ status, head, body }: Answer, { there, absent }: Twins, form: string): string {
  const lines = head.filter((line) => !/^date:/i.test(line)).sort();
  let text = [status, ...lines, "", body].join("\n");
  for (const path of [there, absent]) {
    for (const name of path.split("/").filter(Boolean)) {
      if (there.split("/").includes(name) && absent.split("/").includes(name)) continue;
      const spelled = [name, encodeURIComponent(name), encodeURIComponent(encodeURIComponent(name))];
      const all = form === "decomposed" ? spelled.map((name) => name.normalize("NFD")) : spelled;
      const upper = spelled.map((name) => name.toUpperCase());
      for (
        const each of [
          ...all,
          ...upper,
          encodeURIComponent(name.normalize("NFD")),
          encodeURIComponent(encodeURIComponent(name.normalize("NFD"))),
        ]
      ) {
        text = text.replaceAll(each, "NAME");
      }
    }
  }
  return text;
}

/** Listings, results and archives of directories above: what is hidden is not named. */
export const ABOVE: readonly string[] = [
  "/",
  "/?format=json",
  "/?format=text",
  "/?q=*&format=json",
  "/?q=SECRET&format=text",
  "/?q=plain&format=html",
  "/?archive=tar",
  "/?archive=tar&name=vault",
  "/?archive=zip&name=pub",
  "/pub/",
  "/pub/?format=json",
  "/pub/?q=*&format=json",
  "/pub/?archive=tar",
  "/own/?format=json",
  "/own/?archive=tar",
  "/vaultish/?format=json",
];

/** Asserts that a directory names nothing that is hidden. */
export function assertHidden(what: string, path: string, { head, body }: Answer): void {
  const text = `${head.filter((line) => !/^location:/i.test(line)).join("\n")}\n${body}`.replaceAll(path, "PATH");
  for (const marker of [MARKERS, HIDDEN_NAMES]) {
    assert(!marker.test(text), `${what}: ${marker.exec(text)} in ${text.slice(0, 2_000)}`);
  }
}
