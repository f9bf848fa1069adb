<<<<<<< HEAD
/** Certificates, made by openssl. */

/** Makes `NAME.pem` and `NAME.key` in a directory, for localhost, with the name as its common name. */
export async function makeCertificate(directory: string, name: string) {
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    .concat(["-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2", "-subj", `/CN=${name}`])
    .concat(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
    .concat(["-addext", "basicConstraints=critical,CA:FALSE"]);
  await openssl(directory, args);
  const cert = Deno.readTextFileSync(`${directory}/${name}.pem`);
  return { cert, key: Deno.readTextFileSync(`${directory}/${name}.key`) };
}

/** Changes for how many days a certificate that was made is valid, from now. */
export async function setValidity(directory: string, name: string, days: number): Promise<string> {
  const file = `${name}.pem`;
  await openssl(directory, ["x509", "-in", file, "-signkey", `${name}.key`, "-days", String(days), "-out", file]);
  return Deno.readTextFileSync(`${directory}/${file}`);
}

async function openssl(cwd: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** The common name of the certificate that a server shows to a new connection of openssl. */
export async function shownBy(port: number): Promise<string> {
  const args = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost"];
  const { stdout } = await new Deno.Command("openssl", { args, stdin: "null", stderr: "null" }).output();
  return /^subject=.*CN ?= ?(\S+)/m.exec(new TextDecoder().decode(stdout))?.[1] ?? "";
}
=======
/** A certificate, made by openssl. */

import { join } from "@std/path/join";

/** The files of a certificate and its key, and the options with which the command uses them. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly options: readonly string[];
}

/** Makes a self-signed certificate for localhost and 127.0.0.1 in a directory: `cert.pem` and `key.pem`. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  await openssl(
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost " +
      "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE " +
      "-keyout key.pem -out cert.pem",
    directory,
  );
  return { cert, key, options: ["--tls-cert", cert, "--tls-key", key] };
}

/** Runs openssl with arguments that have no blanks in them. */
export async function openssl(args: string, cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: args.split(" "), cwd }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
>>>>>>> main
