/** A hash of an inline script or style sheet, as a Content Security Policy has it between quotes. */
export async function policyHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}

/** A style sheet without comments and line breaks. */
export function minified(css: string): string {
  return css.replace(/\/\*[^]*?\*\//g, "").split("\n").map((line) => line.trim()).join("");
}
