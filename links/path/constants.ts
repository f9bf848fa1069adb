/** The path separator. */
export const SEPARATOR: "/" | "\\" = Deno.build.os === "windows" ? "\\" : "/";
