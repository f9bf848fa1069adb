/** Error messages of the server. */

/** The server's error message, as a sentence. @param {Response} response */
export async function sentenceOf(response) {
  try {
    const { detail, title } = await response.json();
    return detail || title || `The server answered ${response.status}`;
  } catch {
    return `The server answered ${response.status}`;
  }
}
