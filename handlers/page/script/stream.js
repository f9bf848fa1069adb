/** Changes on the server, shared by the tabs of a browser: it has six connections per server, which tabs must not use up. */

/**
 * @typedef {object} Change
 * @property {"watching" | "changed" | "removed" | "missed"} type
 * @property {string} path Decoded, from the root of the site.
 * @property {"file" | "directory" | "other"} [kind]
 */

/** The root of the site, as seen by the browser. */
const root = new URL("../../", import.meta.url);

/** Time until the next attempt to connect after a refusal, in milliseconds. */
const PATIENCE_MS = 5_000;

/** The id of the last event. */
let last = "";

/** The decoded path of a URL below the root of the site; null for any other. @param {string} url @returns {string | null} */
export function pathOf(url) {
  const { origin, pathname } = new URL(url, document.baseURI);
  if (origin !== root.origin || !pathname.startsWith(root.pathname)) return null;
  const path = `/${pathname.slice(root.pathname.length)}`;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Calls back for each change from now on. @param {(change: Change) => void} callback */
export function listen(callback) {
  const name = `pyserve.changes ${root.pathname}`;
  const channel = new BroadcastChannel(name);
  /** @param {{ id: string, change: Change }} event */
  const take = ({ id, change }) => {
    last = id;
    callback(change);
  };
  channel.addEventListener("message", ({ data }) => take(data));
  const lead = () =>
    connect((event) => {
      channel.postMessage(event);
      take(event);
    });
  // One tab listens for all; when it is closed, another takes over. On plain HTTP from another machine, each listens itself.
  if (navigator.locks) navigator.locks.request(name, () => new Promise(lead));
  else lead();
}

/** @param {(event: { id: string, change: Change }) => void} callback */
function connect(callback) {
  const since = last === "" ? "" : `&since=${last}`;
  const source = new EventSource(new URL(`.pyserve/?watch${since}`, root));
  source.addEventListener("message", ({ lastEventId, data }) => {
    callback({ id: lastEventId, change: JSON.parse(data) });
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => connect(callback), PATIENCE_MS);
  });
}
