/** Paths: RFC 3986, and RFC 9110 section 17.3. */

import { FILES, POSIX } from "./site.ts";
import { CLOSE, getEach, type Row, row, send, wire, words } from "./support.ts";

export const PATHS: readonly Row[] = [
  row(63, "3986 2.4", "the target is split first and decoded once", {
    asks: [
      ...getEach(
        ["/hello.txt", "/hello%2etxt", "/%68%65%6C%6c%6F.txt", "/hello.txt?x=/../..", "/hello.txt???"],
        200,
        {},
        FILES["hello.txt"],
      ),
      ...getEach(words("/hello%252etxt /hello.txt%3Fx /hello.txt%23 /dir%2ffile.txt /dir%2Ffile.txt"), 404),
      ...getEach(["/dir%252ffile.txt", "/%2f", "/%2fhello.txt"], 404),
      ...getEach(words("/hello.txt%00 /%00 /dir/%00/file.txt /hello%00.txt"), [400, 404]),
      ...getEach(words("/%ff /%c0%ae%c0%ae/ /%ed%a0%80 /names/%FF%FE /\xff"), [400, 404]),
      send("GET /names/%E6%97%A5%E6%9C%AC.txt").gets(200, {}, "日本.txt"),
    ],
  }),
  row(63, "9112 3.2", "a fragment is no part of a request target", {
    asks: getEach(words("/hello.txt#f /hello.txt?x#f /#hello.txt /dir/#"), 400),
  }),
  row(63, "9112 3.2", "bytes that should have been escaped are refused, or taken for what they are in UTF-8", {
    ignore: !POSIX,
    asks: [
      send("GET /names/\xe6\x97\xa5\xe6\x9c\xac.txt").gets([200, 301, 400], {}, /^日本\.txt$|^$|^400 /),
      send("GET /names/\xc3\xa9.txt").gets([200, 301, 400], {}, /^é\.txt$|^$|^400 /),
      // U+00C3 U+00A9, which as Latin-1 would be the bytes of U+00E9; that file is there.
      send("GET /names/\xc3\x83\xc2\xa9.txt").gets([301, 400, 404]),
      ...getEach(["/names/\xe9.txt", "/\xff", "/\xc0\xae\xc0\xae/hello.txt"], 400),
    ],
  }),
  row(64, "3986 5.2.4", "dot segments are resolved, and never above the root", {
    asks: [
      ...getEach(
        words("/dir/../hello.txt /dir/%2e%2e/hello.txt /dir/.%2E/hello.txt /./hello.txt /%2e/hello.txt"),
        200,
        {},
        FILES["hello.txt"],
      ),
      ...getEach(
        words(`
          /../hello.txt /%2e%2e/hello.txt /../www/hello.txt
          /../www-private/secret.txt /%2e%2e/www-private/secret.txt /.%2e/www-private/secret.txt
          /dir/../../www-private/secret.txt /dir/%2e%2e/%2e%2e/www-private/secret.txt
          /..%2fwww-private/secret.txt /dir/..%2f..%2fwww-private/secret.txt
          /%252e%252e/www-private/secret.txt /..%255cwww-private/secret.txt
          /..\\www-private\\secret.txt /..%5cwww-private%5csecret.txt
          /..;/www-private/secret.txt /.../www-private/secret.txt /..%20/www-private/secret.txt
          /static/../../../www-private/../www-private/secret.txt
          /..#/../www-private/secret.txt /..?/../www-private/secret.txt
          /dir/../../../../../../../../etc/passwd
        `),
        [400, 404],
      ),
      send("GET /?/../../www-private/secret.txt").gets(200, {}, /Directory listing/),
      send("GET /dir/..").gets(200, {}, /Directory listing/),
      send("GET /dir/.").gets(200, {}, /Directory listing/),
    ],
  }),
  row(65, "9110 17.3", "the root ends at its separator, and /dir is not the beginning of /dir2", {
    asks: [
      ...getEach(["/../www-private/secret.txt", "/-private/secret.txt", "/%2e%2e/www-private/"], 404),
      ...POSIX ? getEach(["/links/private", "/links/private/", "/links/private/secret.txt"], 404) : [],
    ],
  }),
  row(66, "3986 3.3", "nothing in a path makes it absolute", {
    asks: [
      ...getEach(words("//etc/passwd ///etc/passwd /%2fetc/passwd /dir//etc/passwd /.//etc/passwd"), 404),
      ...getEach(words("/C:/Windows/win.ini /c: /C%3A/ /file:///etc/passwd /\\\\host\\share"), 404),
      ...getEach(["//hello.txt", "///hello.txt", "//dir/..//hello.txt"], 200, {}, FILES["hello.txt"]),
    ],
  }),
  row(67, "3986 6.2.2", "names are not trimmed and not normalised", {
    asks: [
      ...getEach(
        words("%20 . %2e %09 %0a %0d%0a ;x %3bx %00.html ::$DATA ~1").map((end) => `/hello.txt${end}`),
        [400, 404],
      ),
      ...getEach(words("/%20hello.txt /HELLO%2ETXT%20 /hello.txt+ /hello%e2%80%8b.txt"), 404),
      ...getEach(["/dir/%ef%bc%8e%ef%bc%8e/hello.txt", "/dir/%e2%80%a5/hello.txt", "/dir%ef%bc%8ffile.txt"], 404),
      ...getEach(["/names/a+b.txt", "/names/a%2Bb.txt"], POSIX ? 200 : 404),
    ],
  }),
  row(67, "3986 6.2.2", "names with spaces, dots and accents are found as they are written", {
    ignore: Deno.build.os !== "linux", // other systems normalise, or trim, by themselves
    asks: [
      send("GET /names/trail%20").gets(200, {}, "trail "),
      send("GET /names/trail.").gets(200, {}, "trail."),
      send("GET /names/%20lead").gets(200, {}, " lead"),
      send("GET /names/%EF%BC%8E%EF%BC%8E").gets(200, {}, "\uff0e\uff0e"),
      send("GET /dir/e%CC%81.txt").gets(200),
      send("GET /dir/%C3%A9.txt").gets(404),
      ...getEach(["/names/trail", "/names/lead"], 404),
    ],
  }),
  row(68, "3986 2.2", "a backslash is no slash", {
    asks: [
      ...getEach(words("/dir\\file.txt /dir%5cfile.txt \\hello.txt /\\hello.txt /dir/..\\hello.txt"), [
        400,
        404,
      ]),
      ...POSIX ? getEach(["/names/back\\slash.txt", "/names/back%5Cslash.txt"], 200, {}, "back\\slash.txt") : [],
    ],
  }),
  row(69, "3986 2.1", "a broken escape is the client's fault", {
    asks: getEach(["/%", "/%4", "/%zz", "/%2", "/%u0041", "/hello.txt%", "/%%34", "/% 1", "/%+1", "/%-1"], 400),
  }),
  row(70, "9110 17.3", "a redirect goes to a path of this server, whatever was sent", {
    asks: [
      ...getEach(words("/./dir /dir2/../dir /%64ir /dir2/%2e%2e/dir"), 301, { location: "dir/" }),
      send("GET //dir").gets(301, { location: "../dir/" }),
      send("GET ///dir").gets(301, { location: "../../dir/" }),
      wire(["GET /dir HTTP/1.1", "Host: evil.example", CLOSE]).gets(301, { location: "dir/" }),
      send("GET http://evil.example/dir").gets(301, { location: "dir/" }),
      send("GET /dir?x=\"<>'").gets(301, { location: "dir/?x=%22%3C%3E'" }),
      send("GET /dir?x=\xc3\xa4").gets([301, 400], { location: /^dir\/\?x=%C3%A4$|^$/ }),
      send("GET /dir?x=\xe6\x97\xa5").gets([301, 400], { location: /^dir\/\?x=%E6%97%A5$|^$/ }),
      send("GET /dir?x=\xe4").gets(400),
      send("GET /dir?//evil.example").gets(301, { location: "dir/?//evil.example" }),
      send("GET /dir?%0d%0aX: y").gets(400),
      send("GET /dir?%0d%0aX:y").gets(301, { location: "dir/?%0d%0aX:y", x: null }),
      ...getEach(words("//evil.example /%5cevil.example/.. /%0d%0aX:y //evil.example/%2e%2e"), [200, 404]),
    ],
  }),
  row(70, "9110 17.3", "a redirect is made of encoded names", {
    ignore: !POSIX,
    asks: [
      send("GET /dirs/dir%3fq").gets(301, { location: "dir%3Fq/" }),
      send("GET /dirs/\\evil.example").gets(301, { location: "%5Cevil.example/" }),
      send("GET /dirs/%5Cevil.example").gets(301, { location: "%5Cevil.example/" }),
      send("GET /dirs/y<").gets(301, { location: "y%3C/" }),
      send("GET /dirs/c%3a").gets(301, { location: "c%3A/" }),
      send("GET /dirs/e%0df").gets(301, { location: "e%0Df/" }),
    ],
  }),
  row(71, "9110 17.3", "links that leave the root are not there, those inside are", {
    ignore: !POSIX,
    asks: [
      send("GET /links/inside.txt").gets(200, {}, FILES["dir/file.txt"]),
      ...getEach(words("/links/outside /links/outside/ /links/outside/out.txt /links/absolute"), 404),
    ],
  }),
  row(71, "8615 3", "hidden names are not there, but .well-known is", {
    asks: [
      ...getEach(words("/.env /.git /.git/ /.git/config /dir/.hidden/file.txt /dir/.hidden"), 404),
      send("GET /.well-known/security.txt").gets(200),
      send("GET /").gets(200, {}, /^(?!.*\.env|.*\.git)/s),
    ],
  }),
  row(72, "9110 17.3", "no spelling gets around a rule", {
    asks: [
      ...getEach(
        words(`
          //.env /./.env /%2eenv /%2Eenv /.%65nv /.env/ /.env/. /.env?raw /.env??raw
          /dir/../.env /dir/%2e%2e/%2eenv //dir//..//.env /.git/../.env
          /.git//config /.git/./config /%2egit/config /.well-known/../.env /.well-known/.env
        `),
        404,
      ),
      send("GET http://localhost/.env").gets(404),
      send("GET /.env#").gets(400),
      send("HEAD /.env").gets(404),
      ...POSIX
        ? getEach(["//links/outside/out.txt", "/links//outside/./out.txt", "/links/%6futside/out.txt"], 404)
        : [],
    ],
  }),
];

export const OPEN_PATHS: readonly Row[] = [
  row(71, "9110 17.3", "links that leave the root and hidden names are there where this is wanted", {
    ignore: !POSIX,
    asks: [
      send("GET /links/outside/out.txt").gets(200, {}, "outside\n"),
      send("GET /links/outside").gets(301, { location: "outside/" }),
      send("GET /links/inside.txt").gets(200),
      ...getEach(["/.env", "/.git/config", "/%2eenv"], 200, {}, "hidden\n"),
      // Paths above the root are not reachable.
      ...getEach(["/../outside/out.txt", "/links/outside/../../../outside/out.txt"], 404),
    ],
  }),
];
