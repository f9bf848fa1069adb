/** PHP by php-cgi: forms, uploads, sessions, redirects. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { noise } from "../../support/bytes.ts";
import { missing } from "../../support/programs.ts";
import { type CgiSite, cgiSite } from "./support.ts";

const ignore = missing("php-cgi");

const FILES = {
  "form.php": `<?php header("Content-Type: application/json"); echo json_encode([$_GET, $_POST, $_COOKIE]);`,
  "upload.php": `<?php $f = $_FILES["f"]; echo $f["name"], " ", $f["size"], " ", hash_file("sha256", $f["tmp_name"]);`,
  "session.php": `<?php session_save_path(__DIR__ . "/sessions"); session_start(); echo ++$_SESSION["n"];`,
  "redirect.php": `<?php header("Location: http://example.org/there");`,
  "status.php": `<?php http_response_code(418); setcookie("a", "1"); setcookie("b", "2"); echo "teapot";`,
  "info.php":
    `<?php foreach (["SCRIPT_NAME","PATH_INFO","PHP_SELF","SCRIPT_FILENAME","DOCUMENT_ROOT","REQUEST_URI"] as $n)
    echo $n, "=", $_SERVER[$n] ?? "-", "\\n"; echo php_sapi_name(), "\\n", getcwd();`,
  "fatal.php": `<?php nothing();`,
  "argv.php": `<?php echo "not the source";`,
  "sub/index.php": `<?php echo "index of sub";`,
  "note.txt": "<?php echo 'not PHP';",
  "sessions/": "",
};

const OPTIONS = [
  "--cgi-map",
  ".php=php-cgi -d upload_max_filesize=64M -d post_max_size=64M",
  "--cgi-index",
  "index.php",
];

function phpSite(): Promise<CgiSite> {
  return cgiSite(FILES, OPTIONS);
}

Deno.test({
  name: "PHP gets forms, queries and cookies",
  ignore,
  async fn() {
    await using site = await phpSite();
    const response = await fetch(`${site.base}/form.php?q=%C3%BC&a[]=1&a[]=2`, {
      method: "POST",
      headers: { cookie: "c=1; d=2" },
      body: new URLSearchParams({ name: "Grüße & more", empty: "" }),
    });
    assertEquals(response.headers.get("content-type"), "application/json");
    assertEquals(await response.json(), [
      { q: "ü", a: ["1", "2"] },
      { name: "Grüße & more", empty: "" },
      { c: "1", d: "2" },
    ]);
  },
});

Deno.test({
  name: "PHP gets an upload of 20 MB, also in chunks",
  ignore,
  async fn() {
    await using site = await phpSite();
    const bytes = noise(20 * 1024 * 1024);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    const form = new FormData();
    form.set("f", new File([bytes], "large.bin"));
    const whole = await fetch(`${site.base}/upload.php`, { method: "POST", body: form });
    assertEquals(await whole.text(), `large.bin ${bytes.length} ${digest}`);
    const encoded = new Response(form);
    const chunked = await fetch(`${site.base}/upload.php`, {
      method: "POST",
      headers: { "content-type": encoded.headers.get("content-type")! },
      body: encoded.body!,
    });
    assertEquals(await chunked.text(), `large.bin ${bytes.length} ${digest}`);
  },
});

Deno.test({
  name: "PHP keeps a session, redirects, and sets status and cookies",
  ignore,
  async fn() {
    await using site = await phpSite();
    const first = await fetch(`${site.base}/session.php`);
    assertEquals(await first.text(), "1");
    const cookie = first.headers.getSetCookie()[0]!.split(";")[0]!;
    assertMatch(cookie, /^PHPSESSID=/);
    const second = await fetch(`${site.base}/session.php`, { headers: { cookie } });
    assertEquals(await second.text(), "2");

    const away = await fetch(`${site.base}/redirect.php`, { redirect: "manual" });
    assertEquals([away.status, away.headers.get("location")], [302, "http://example.org/there"]);
    await away.body?.cancel();

    const teapot = await fetch(`${site.base}/status.php`);
    assertEquals([teapot.status, await teapot.text()], [418, "teapot"]);
    assertEquals(teapot.headers.getSetCookie(), ["a=1", "b=2"]);
  },
});

Deno.test({
  name: "PHP gets its paths, index.php is an index, and only files found by their name are PHP",
  ignore,
  async fn() {
    await using site = await phpSite();
    const info = await (await fetch(`${site.base}/info.php/extra/path?x=1`)).text();
    assertStringIncludes(info, "SCRIPT_NAME=/info.php\nPATH_INFO=/extra/path\nPHP_SELF=/info.php/extra/path\n");
    assertStringIncludes(info, `SCRIPT_FILENAME=${site.tree.at("info.php")}\nDOCUMENT_ROOT=${site.tree.path}\n`);
    assertStringIncludes(info, `REQUEST_URI=/info.php/extra/path?x=1\ncgi-fcgi\n${site.tree.path}`);
    assertEquals(await (await fetch(`${site.base}/sub/`)).text(), "index of sub");
    // cgi.fix_pathinfo would run the text file as PHP if the end of the URL decided.
    const trick = await fetch(`${site.base}/note.txt/x.php`);
    assertEquals(trick.status, 404);
    await trick.body?.cancel();
    assertEquals(await (await fetch(`${site.base}/note.txt`)).text(), "<?php echo 'not PHP';");
  },
});

Deno.test({
  name: "PHP's options cannot be given in the query (CVE-2012-1823, CVE-2024-4577), and its failures are 500",
  ignore,
  async fn() {
    await using site = await phpSite();
    for (const query of ["-s", "-d+allow_url_include%3d1", "%ads", "--help"]) {
      assertEquals(await (await fetch(`${site.base}/argv.php?${query}`)).text(), "not the source", query);
    }
    const failed = await fetch(`${site.base}/fatal.php`);
    assertEquals(failed.status, 500);
    await failed.body?.cancel();
    const absent = await fetch(`${site.base}/absent.php`);
    assertEquals(absent.status, 404);
    await absent.body?.cancel();
  },
});
