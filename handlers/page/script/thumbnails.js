/**
 * Small pictures for the tile view: made in the browser and kept there, so that a picture is fetched once, and of
 * photos only the part with the small picture of the camera.
 */

import { smallPictureIn } from "./exif.js";
import { request } from "./login.js";
import { herePath } from "./places.js";

/** Width and height at most, in pixels. */
const SIDE = 400;

/** The part of a photo that is fetched first; smaller files are fetched as a whole. */
const HEAD = 64 * 1024;

/** How many small pictures are kept, and how many are deleted at once when there are more. */
const KEPT = 2_000;
const DELETED = 200;

/** Angles in quarters of a turn by EXIF orientation. Mirrored ones are rare, and made from the whole picture. */
const TURNS = new Map([[1, 0], [3, 2], [6, 1], [8, 3]]);

/** @typedef {{ href: string, name: string, size: number, modified: number | null }} Picture */

/** @type {WeakMap<Element, Picture>} */
const pictures = new WeakMap();
const seen = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    waiting.push(/** @type {HTMLImageElement} */ (target));
  }
  work();
}, { rootMargin: "200px" });

/** @type {HTMLImageElement[]} */
const waiting = [];
let isWorking = false;

/** Shows the small picture of a file when its place is seen. @param {HTMLImageElement} image @param {Picture} picture */
export function showThumbnail(image, picture) {
  pictures.set(image, picture);
  seen.observe(image);
}

/** One after the other: a large picture takes much memory. */
async function work() {
  if (isWorking) return;
  isWorking = true;
  for (let image = waiting.pop(); image; image = waiting.pop()) {
    const picture = pictures.get(image);
    if (picture && image.isConnected) await show(image, picture);
  }
  isWorking = false;
}

/** @param {HTMLImageElement} image @param {Picture} picture */
async function show(image, picture) {
  const key = `${herePath}${picture.href} ${picture.size} ${picture.modified}`;
  try {
    const known = await keptOne(key);
    const blob = known ?? await made(picture);
    image.src = URL.createObjectURL(blob);
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    if (!known) await keep(key, blob);
  } catch {
    image.src = picture.href; // the browser may know better
  }
}

/** @param {Picture} picture @returns {Promise<Blob>} */
async function made({ href, name, size }) {
  if (/\.jpe?g$/i.test(name) && size > 4 * HEAD) {
    const small = await fromCamera(href).catch(() => null);
    if (small) return small;
  }
  const response = await request(href);
  if (!response.ok) throw new Error(String(response.status));
  return await scaled(await createImageBitmap(await response.blob()), 0);
}

/** @param {string} href @returns {Promise<Blob | null>} */
async function fromCamera(href) {
  const response = await request(href, { headers: { range: `bytes=0-${HEAD - 1}` } });
  if (response.status !== 206) {
    await response.body?.cancel();
    return null;
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  const found = smallPictureIn(bytes);
  const turns = TURNS.get(found?.orientation ?? 0);
  if (!found || turns === undefined) return null;
  const blob = new Blob([bytes.subarray(found.start, found.end)], { type: "image/jpeg" });
  return await scaled(await createImageBitmap(blob, { imageOrientation: "none" }), turns);
}

/** @param {ImageBitmap} bitmap @param {number} turns @returns {Promise<Blob>} */
async function scaled(bitmap, turns) {
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const [w, h] = [/** @type {number} */ (width), /** @type {number} */ (height)];
  const canvas = new OffscreenCanvas(turns % 2 === 0 ? w : h, turns % 2 === 0 ? h : w);
  const context = canvas.getContext("2d");
  context?.translate(canvas.width / 2, canvas.height / 2);
  context?.rotate(turns * Math.PI / 2);
  context?.drawImage(bitmap, -w / 2, -h / 2, w, h);
  bitmap.close();
  return await canvas.convertToBlob({ type: "image/webp", quality: 0.8 });
}

/** @type {Promise<IDBDatabase> | undefined} */
let opened;

function database() {
  return opened ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open("pyserve.thumbnails", 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("pictures", { keyPath: "key" }).createIndex("at", "at");
    };
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

/** The small picture that is kept; null without one, or if the browser keeps nothing. @param {string} key @returns {Promise<Blob | null>} */
async function keptOne(key) {
  try {
    const store = (await database()).transaction("pictures").objectStore("pictures");
    return (await done(store.get(key)))?.blob ?? null;
  } catch {
    return null;
  }
}

/** @param {string} key @param {Blob} blob */
async function keep(key, blob) {
  try {
    const store = (await database()).transaction("pictures", "readwrite").objectStore("pictures");
    store.put({ key, blob, at: Date.now() });
    if (await done(store.count()) > KEPT) await deleteOldest(store);
  } catch {
    // Then it is made again the next time.
  }
}

/** @param {IDBObjectStore} store */
async function deleteOldest(store) {
  for (const key of await done(store.index("at").getAllKeys(null, DELETED))) store.delete(key);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
