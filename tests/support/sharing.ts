/** A site with users who can share. */

import { archives, chain, checksums, disk, fileServer, mount, searches, toFetch, uploadFeatures } from "../../mod.ts";
import { auth, type AuthOptions } from "../../handlers/identity/auth.ts";
import { davFeature, lockTable, propertyTable } from "../../handlers/mod.ts";
import { volatileState } from "../../handlers/identity/state.ts";
import type { Users } from "../../handlers/identity/users.ts";
import { type TempTree, tempTree } from "./tree.ts";

/** A share as the endpoint sends it. */
export interface SentShare {
  readonly id: string;
  readonly link: string;
  readonly paths: readonly string[];
  readonly rights: readonly string[];
  readonly made: number;
  readonly expires: number | null;
}

/** Basic credentials of one of the users. */
export function basic(name: string): { readonly authorization: string } {
  return { authorization: `Basic ${btoa(`${name}:password`)}` };
}

/** Users in memory, all with the password `password`. */
export function usersNamed(...names: string[]): Users & { readonly names: Set<string> } {
  const known = new Set(names);
  const find = (name: string) => known.has(name) ? { name, epoch: "" } : null;
  return {
    names: known,
    find,
    verify: (name, password) => password === "password" ? find(name) : null,
    token: (text) => {
      const user = find("ann");
      const rights = text === "read" ? ["read"] as const : ["read", "share"] as const;
      return user && { user, id: text, expires: null, path: text === "team" ? "/team" : "/", rights };
    },
  };
}

const FILES = {
  "secret.txt": "secret",
  "team/plan.txt": "plan",
  "team/sub/deep.txt": "deep",
  "team2/x.txt": "team2",
  "docs/a/one.txt": "one",
  "docs/b/two.txt": "two",
  "docs/c/three.txt": "three",
};

/** A site on a temporary directory. */
export interface SharingSite extends TempTree {
  readonly users: ReturnType<typeof usersNamed>;
  readonly state: ReturnType<typeof volatileState>;
  /** The log. */
  readonly lines: readonly string[];
  /** Sends a request. */
  send(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a request; returns its status. */
  status(path: string, init?: RequestInit): Promise<number>;
  /** Sends a request; returns its text. */
  text(path: string, init?: RequestInit): Promise<string>;
  /** Makes a share, as ann unless given. */
  share(wish: Record<string, unknown>, name?: string): Promise<SentShare & { readonly url: string }>;
}

/** Serves it, at the root and below `/files`; with `dav`, over WebDAV, too. */
export async function sharingSite({ dav = false, ...options }: Partial<AuthOptions> & { dav?: boolean } = {}): Promise<
  SharingSite
> {
  const tree = await tempTree(FILES);
  const state = volatileState();
  const lines: string[] = [];
  const users = usersNamed("ann", "bob", "eve");
  const rules = ["ann:all", "ann:all@/docs", "bob:read,share@/docs", "eve:read"];
  const writing = {
    rights: { create: true, change: true },
    ...dav && { locks: lockTable(), followers: propertyTable() },
  };
  const server = fileServer(disk(tree.path), {
    features: [
      ...dav ? [davFeature(writing)] : [],
      ...uploadFeatures(writing),
      searches(),
      archives(),
      checksums(),
    ],
    layers: [auth({ users, state, rules, ...options })],
    log: "combined",
  });
  const fetch = toFetch(
    chain(mount("/files", server), server),
    { log: { access: (line) => lines.push(line), error: (message, cause) => lines.push(`${message} ${cause}`) } },
  );
  const send = async (path: string, init: RequestInit = {}) => {
    return await fetch(new Request(new URL(path, "http://localhost/"), { redirect: "manual", ...init }));
  };
  const text = async (path: string, init?: RequestInit) => await (await send(path, init)).text();
  return {
    ...tree,
    users,
    state,
    lines,
    send,
    text,
    async status(path, init) {
      const response = await send(path, init);
      await response.body?.cancel();
      return response.status;
    },
    async share(wish, name = "ann") {
      const headers = { ...basic(name), "content-type": "application/json", accept: "application/json" };
      const response = await send("/.pyserve/shares", { method: "POST", headers, body: JSON.stringify(wish) });
      const sent = await response.json();
      if (response.status !== 201) throw new Error(`${response.status} ${sent.detail}`);
      return { ...sent, url: `/.pyserve/${sent.link}` };
    },
  };
}
