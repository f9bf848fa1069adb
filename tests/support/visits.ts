/** What a visit to a page costs, as Chromium counts it. */

import type { Page } from "./browser.ts";

/** The requests that reached the server. */
export interface Visit {
  /** Targets with their status: `/app.js 304`. */
  readonly requests: readonly string[];
  /** Bytes received, heads included. */
  readonly bytes: number;
}

/** Records what a page loads; the returned function tells what it has loaded since its last call. */
export async function recordVisits(page: Page): Promise<() => Promise<Visit>> {
  const session = await page.context().newCDPSession(page);
  const targets = new Map<string, string>();
  let answered: { readonly id: string; readonly status: number }[] = [];
  let bytes = 0;
  session.on("Network.requestWillBeSent", ({ requestId, request }) => {
    const { pathname, search } = new URL(request.url);
    targets.set(requestId, pathname + search);
  });
  // Only for responses from the network, sometimes before the request; a revalidated one has the status 304 here only.
  session.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => {
    answered.push({ id: requestId, status: statusCode });
  });
  session.on("Network.loadingFinished", ({ encodedDataLength }) => void (bytes += encodedDataLength));
  await session.send("Network.enable");
  return async () => {
    await session.send("Network.enable"); // what is under way arrives before the answer
    const visit = { requests: answered.map(({ id, status }) => `${targets.get(id)} ${status}`).toSorted(), bytes };
    [answered, bytes] = [[], 0];
    return visit;
  };
}
