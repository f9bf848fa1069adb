/** Certificate files that change under a running command. */

import { assertEquals } from "@std/assert";
import { CertificateFiles } from "../../cli/tls.ts";
import { makeNamedCertificate, setValidity } from "../support/named_certificate.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

/** How often the files are looked at here, in milliseconds. */
const INTERVAL = 20;

Deno.test({
  name: "while the files are incomplete or invalid, the old pair stays, which is said once for each state",
  ignore: missing("openssl"),
  async fn() {
    await using tree = await tempTree();
    const [first, second] = [
      await makeNamedCertificate(tree.path, "first"),
      await makeNamedCertificate(tree.path, "second"),
    ];
    const expired = await setValidity(tree.path, "second", -1);
    const [cert, key] = [tree.at("cert.pem"), tree.at("key.pem")];
    await Deno.writeTextFile(cert, first.cert);
    await Deno.writeTextFile(key, first.key);
    const lines: string[] = [];
    const log = { access() {}, error: (line: string) => void lines.push(line) };
    using files = await CertificateFiles.open({ cert, key, password: null }, log, { interval: INTERVAL });
    const yesterday = new Date(Date.now() - 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
    const rows: readonly [change: () => Promise<void>, problem: string][] = [
      [
        () => Deno.writeTextFile(cert, second.cert.slice(0, 100)),
        `Cannot use "${cert}": the certificate is invalid`,
      ],
      [() => Deno.writeTextFile(cert, expired), `Cannot use "${cert}": the certificate expired on ${yesterday}`],
      [
        () => Deno.writeTextFile(cert, second.cert),
        "Cannot use the certificate: it does not match the private key",
      ],
      [() => Deno.remove(key), `Cannot read the key file "${key}": it does not exist`],
      [
        () => Deno.writeTextFile(key, second.key.slice(0, 50)),
        `Cannot use "${key}": it contains no PEM private key; give its file with --tls-key`,
      ],
    ];
    for (const [index, [change, problem]] of rows.entries()) {
      await change();
      await until(() => lines.length > index);
      assertEquals(lines[index], `The old certificate stays in use. ${problem}`);
      assertEquals(files.certificates.current(), first);
    }
    await Deno.writeTextFile(key, second.key);
    await until(() => files.certificates.current().cert === second.cert);
    assertEquals(files.certificates.current(), second);
    assertEquals(lines.at(-1)?.startsWith("New certificate in use, valid until "), true);
  },
});
