/** The user of the cases with authentication. */

import { curl } from "./clients.ts";

const NAME = "ann";
const PASSWORD = "correct horse";

/** A file of users for `--auth`, written by `pyserve passwd`. */
export const USERS =
  `${NAME}:$argon2id$v=19$m=47104,t=1,p=1$A59fRVAaSB2wsMC0p93eBQ$WG61M6wkGAeyxU2pkRONyBjnA3c8p+esbGU0qcnz1vE\n`;

/** The header of an authenticated request: of a browser that has logged in, or of a program that sends the password. */
export async function credentials(kind: "cookie" | "basic", url: string): Promise<string | null> {
  if (kind === "basic") return `Authorization: Basic ${btoa(`${NAME}:${PASSWORD}`)}`;
  const fields = ["-d", `username=${NAME}`, "--data-urlencode", `password=${PASSWORD}`, "-H", `Origin: ${url}`];
  const { head = "" } = await curl([...fields, `${url}/.pyserve/login`]) ?? {};
  const cookie = /^set-cookie: ([^;\r]+)/im.exec(head)?.[1];
  return cookie === undefined ? null : `Cookie: ${cookie}`;
}
