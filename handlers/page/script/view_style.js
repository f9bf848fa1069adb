/** The style sheet of previews, and their icons. */

import { iconStyle } from "./icons.js";
import { adopt } from "./style.js";
import viewCss from "./view.css" with { type: "text" };

/** @type {Record<string, string>} */
const PATHS = {
  wrap: "M3 5h14M3 10h11.500a2.500 2.500 0 0 1 0 5H10M12 12.800L9.800 15l2.200 2.200M3 15h3",
  line: "M3 5h2M3 10h2M3 15h2M8 5h9M8 10h9M8 15h9",
  source: "M7 6l-4 4 4 4M13 6l4 4-4 4M11 4.500l-2 11",
  "zoom-in":
    "M8.700 3.500a5.200 5.200 0 1 1 0 10.400 5.200 5.200 0 0 1 0-10.400zM12.600 12.600L17 17M6.200 8.700h5M8.700 6.200v5",
  "zoom-out": "M8.700 3.500a5.200 5.200 0 1 1 0 10.400 5.200 5.200 0 0 1 0-10.400zM12.600 12.600L17 17M6.200 8.700h5",
  fit: "M3 4h14v12H3zM7 8h6v4H7z",
  full: "M3 7.500V3h4.500M12.500 3H17v4.500M17 12.500V17h-4.500M7.500 17H3v-4.500",
};

let isAdopted = false;

export function adoptViewStyle() {
  if (!isAdopted) adopt(iconStyle(PATHS) + viewCss);
  isAdopted = true;
}
