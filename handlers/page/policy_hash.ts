/** A hash of an inline script or style sheet, as a Content Security Policy has it between quotes. */
export async function policyHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}
