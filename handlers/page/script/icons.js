/** The icons: strokes on a 20 by 20 grid, turned into CSS, so that a row needs no extra element for one. */

const FILE = "M5 2.7h6.5L16 7v10.3H5zM11.3 2.7v4.5H16";
const TRAY = "M3.5 13v3.2h13V13";

/** @type {Record<string, string>} */
const PATHS = {
  file: FILE,
  image: "M3 4h14v12H3zM6.2 7.7h1.6M3.2 14l4-4 3.2 3.2 2.5-2.5 4 4",
  audio:
    "M8 15.2V4.6l8-1.8v10.4M8 15.2a2.2 2 0 1 1-4.4 0 2.2 2 0 0 1 4.4 0zM16 13.2a2.2 2 0 1 1-4.4 0 2.2 2 0 0 1 4.4 0z",
  video: "M2.5 4.5h15v11h-15zM8.4 7.4l4 2.6-4 2.6z",
  pdf: `${FILE}M7.5 14.2c2.6-.8 3.5-3.7 2.7-4.3s-1.4 2.9 2.6 3.6`,
  markdown: `${FILE}M7.5 13.5V10l1.5 1.7L10.5 10v3.5M13 10v3.5`,
  text: `${FILE}M7.7 10h5.6M7.7 12.3h5.6M7.7 14.6h3.5`,
  code: `${FILE}M9 10l-1.8 2L9 14M12 10l1.8 2-1.8 2`,
  html:
    "M10 2.7a7.3 7.3 0 1 1 0 14.6 7.3 7.3 0 0 1 0-14.6zM2.8 10h14.4M10 2.7c4 4.5 4 10 0 14.6M10 2.7c-4 4.5-4 10 0 14.6",
  archive: "M3.5 6.7h13v9.8h-13zM2.7 3.5h14.6v3.2H2.7zM8 10h4",
  font: "M4.5 16L10 4l5.5 12M6.6 11.8h6.8",
  program: "M2.7 4h14.6v12H2.7zM5.7 7.7L8 10l-2.3 2.3M10.5 12.5h4",
  table: "M3 4h14v12H3zM3 8h14M3 12h14M8 4v12",
  slides: `${FILE}M7.7 10h5.6v4H7.7z`,
  more:
    "M10 4.2a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2zM10 9.4a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2zM10 14.6a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2z",
  home: "M3 9.3L10 3l7 6.3M5 8v8.5h3.700V12h2.600v4.500H15V8",
  search: "M8.7 3.5a5.2 5.2 0 1 1 0 10.4 5.2 5.2 0 0 1 0-10.4zM12.6 12.6L17 17",
  close: "M5 5l10 10M15 5L5 15",
  sun:
    "M10 6.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4zM10 2v1.8M10 16.2V18M2 10h1.8M16.2 10H18M4.3 4.3l1.3 1.3M14.4 14.4l1.3 1.3M4.3 15.7l1.3-1.3M14.4 5.6l1.3-1.3",
  moon: "M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z",
  auto: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM10 3v14M10 6.5h4.5M10 10h6.5M10 13.5h4.5",
  tiles: "M3.5 3.5h5v5h-5zM11.5 3.5h5v5h-5zM3.5 11.5h5v5h-5zM11.5 11.5h5v5h-5z",
  density: "M3 4h14M3 7h14M3 10h14M3 13h14M3 16h14",
  info: "M10 2.700a7.300 7.300 0 1 1 0 14.600 7.300 7.300 0 0 1 0-14.600zM10 9v5M10 6v.01",
  list: "M7 5.5h10M7 10h10M7 14.5h10M3.3 5.5v.01M3.3 10v.01M3.3 14.5v.01",
  upload: `M10 12.8V3.5M6.3 7L10 3.3 13.7 7${TRAY}`,
  download: `M10 3v9.3M6.3 8.8L10 12.5l3.7-3.7${TRAY}`,
  "folder-add": "M2.5 5.5V16h15V6.5H9.5L7.7 4.5H2.5zM10 9v4.5M7.7 11.2h4.6",
  "file-add": `${FILE}M10.500 9.500v5M8 12h5`,
  qr: "M3 3h5v5H3zM12 3h5v5h-5zM3 12h5v5H3zM12 12h1.5v1.5M17 12v1.5h-1M12 17h1.5M16 16v1h1",
  link: "M8.5 11.5l3-3M9 6.5l1.8-1.8a3.2 3.2 0 0 1 4.5 4.5L13.5 11M11 13.5l-1.8 1.8a3.2 3.2 0 0 1-4.5-4.5L6.5 9",
  share:
    "M5 8a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM15 3a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM15 13a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM6.8 9.1l6.4-3.2M6.8 10.9l6.4 3.2",
  up: "M10 16V4.500M5 9.300L10 4.500l5 4.800",
  move: "M3.500 10h12.500M11 5l5 5-5 5",
  copy: "M7 7h10v10H7zM13 7V3H3v10h4",
  help: "M10 2.7a7.3 7.3 0 1 1 0 14.6 7.3 7.3 0 0 1 0-14.6zM7.7 8a2.3 2.3 0 1 1 3.3 2.1c-.7.4-1 .8-1 1.6M10 14.2v.01",
  language:
    "M2.500 4.500h9M7 2.800v1.700M9.300 4.500c-.8 4-3 6.500-6.300 8M4.300 6.800c1 2.200 2.700 3.800 5 5M9.500 17l3.800-9.500 3.800 9.500M10.700 14h5.200",
  eye: "M1.8 10C5 4.8 15 4.8 18.2 10 15 15.2 5 15.2 1.8 10zM10 7.7a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6z",
  open: "M8 4H4v12h12v-4M11.5 3.5h5v5M16.3 3.7L9.5 10.5",
  hash: "M7.5 3.5l-1.5 13M14 3.5l-1.5 13M3.5 7.5h13.5M3 12.5h13.5",
  rename: "M4 16l.7-3.5 8.8-8.8 2.8 2.8-8.8 8.8zM11.7 5.5l2.8 2.8",
  trash: "M3.5 5.5h13M7.5 5.5V3.2h5v2.3M5 5.5l.8 11.3h8.4L15 5.5M8.3 8.5v5.5M11.7 8.5v5.5",
  before: "M12.5 4l-6 6 6 6",
  after: "M7.5 4l6 6-6 6",
  pause: "M7 4.5v11M13 4.5v11",
  play: "M6 4l10 6-10 6z",
  retry: "M16 10a6 6 0 1 1-1.8-4.3L16.5 8M16.5 3.5V8H12",
  done: "M4 10.5l4 4 8-9",
  problem: "M10 3L18 16.5H2zM10 8v4M10 14.3v.01",
  camera: "M3 6h3l1.5-2h5L14 6h3v10H3zM10 8.2a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4z",
};

const FOLDER =
  "M2 5.5A1.5 1.5 0 0 1 3.5 4h4L9.3 5.8h7.2A1.5 1.5 0 0 1 18 7.3v7.2a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 2 14.5z";

/** A style sheet that defines every icon as a custom property, `--i-NAME`. @param {Record<string, string>} paths */
export function iconStyle(paths) {
  const lines = "fill='none' stroke='%23000' stroke-width='1.5' stroke-linecap='round' stroke-linejoin='round'";
  const pictures = Object.entries(paths).map(([name, path]) => `--i-${name}:${picture(path, lines)}`);
  return `:root{${pictures.join(";")}}`;
}

/** The style sheet of the icons that the page needs at once. */
export function firstIcons() {
  return `${iconStyle(PATHS)}:root{--i-folder:${picture(FOLDER, "")}}`;
}

/** A folder, for the tab of the browser. */
export function folderPicture() {
  return picture(FOLDER, "fill='%233f83e0'").slice('url("'.length, -'")'.length);
}

/** @param {string} path @param {string} attributes */
function picture(path, attributes) {
  return `url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20' ${attributes}%3E%3Cpath d='${path}'/%3E%3C/svg%3E")`;
}
