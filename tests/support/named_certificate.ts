/** Certificates that can be told apart, and what a server shows of them. */

import { openssl } from "./certificate.ts";

/** Makes `NAME.pem` and `NAME.key` in a directory, for localhost, with the name as its common name; their texts. */
export async function makeNamedCertificate(directory: string, name: string) {
  await openssl(
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name} ` +
      "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE " +
      `-keyout ${name}.key -out ${name}.pem`,
    directory,
  );
  const cert = Deno.readTextFileSync(`${directory}/${name}.pem`);
  return { cert, key: Deno.readTextFileSync(`${directory}/${name}.key`) };
}

/** Changes for how many days a certificate that was made is valid, from now; its text. */
export async function setValidity(directory: string, name: string, days: number): Promise<string> {
  await openssl(`x509 -in ${name}.pem -signkey ${name}.key -days ${days} -out ${name}.pem`, directory);
  return Deno.readTextFileSync(`${directory}/${name}.pem`);
}

/** The common name of the certificate that a server shows to a new connection of openssl. */
export async function shownBy(port: number): Promise<string> {
  const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost"];
  const { stdout } = await new Deno.Command("openssl", { args, stdin: "null", stderr: "null" }).output();
  return /^subject=.*CN ?= ?(\S+)/m.exec(new TextDecoder().decode(stdout))?.[1] ?? "";
}
