/** The character that separates the segments of a path. */
export const SEPARATOR: "/" | "\\" = Deno.build.os === "windows" ? "\\" : "/";
