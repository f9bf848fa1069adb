/**
 * QR codes (ISO/IEC 18004) in byte mode, error correction level M, in the smallest of the 40 versions that fits.
 */

/** Error correction codewords per block, by version. */
const CHECK_LENGTH =
  "10 16 26 18 24 16 18 22 22 26 30 22 22 24 24 28 28 26 26 26 26 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28 28"
    .split(" ").map(Number);

/** Number of blocks, by version. */
const BLOCKS =
  "1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 45 47 49"
    .split(" ").map(Number);

/**
 * Encodes a text.
 *
 * @param {string} text
 * @returns {boolean[][]} Rows of modules, true for dark, without the quiet zone; throws if the text does not fit.
 */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  const version = versionFor(bytes.length);
  const symbol = new Code(version);
  symbol.place(interleave(dataOf(bytes, version), version));
  return symbol.masked();
}

/** @param {number} length */
function versionFor(length) {
  for (let version = 1; version <= 40; version++) {
    if (4 + countBits(version) + length * 8 <= capacity(version) * 8) return version;
  }
  throw new RangeError("The text is too long for a QR code");
}

/** @param {number} version */
function countBits(version) {
  return version < 10 ? 8 : 16;
}

/** Bits for data and error correction. @param {number} version */
function rawBits(version) {
  let bits = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const marks = Math.floor(version / 7) + 2;
    bits -= (25 * marks - 10) * marks - 55;
    if (version >= 7) bits -= 36;
  }
  return bits;
}

/** Number of data codewords. @param {number} version */
function capacity(version) {
  return Math.floor(rawBits(version) / 8) - at(CHECK_LENGTH, version - 1) * at(BLOCKS, version - 1);
}

/** @param {Uint8Array} bytes @param {number} version */
function dataOf(bytes, version) {
  const size = capacity(version);
  /** @type {number[]} */
  const bits = [];
  /** @param {number} value @param {number} length */
  const push = (value, length) => {
    for (let i = length - 1; i >= 0; i--) bits.push((value >>> i) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, countBits(version));
  for (const byte of bytes) push(byte, 8);
  push(0, Math.min(4, size * 8 - bits.length));
  push(0, (8 - bits.length % 8) % 8);
  for (let pad = 0xec; bits.length < size * 8; pad ^= 0xec ^ 0x11) push(pad, 8);
  const data = new Uint8Array(size);
  for (const [index, bit] of bits.entries()) data[index >> 3] = at(data, index >> 3) | (bit << (7 - (index & 7)));
  return data;
}

/**
 * Splits the data into blocks, adds error correction to each, and interleaves them.
 *
 * @param {Uint8Array} data
 * @param {number} version
 */
function interleave(data, version) {
  const blocks = at(BLOCKS, version - 1);
  const checkLength = at(CHECK_LENGTH, version - 1);
  const short = Math.floor(data.length / blocks);
  const long = data.length % blocks;
  const divisor = generator(checkLength);
  /** @type {{ data: Uint8Array, check: Uint8Array }[]} */
  const parts = [];
  let start = 0;
  for (let i = 0; i < blocks; i++) {
    const end = start + short + (i < blocks - long ? 0 : 1);
    const part = data.subarray(start, end);
    parts.push({ data: part, check: remainder(part, divisor) });
    start = end;
  }
  /** @type {number[]} */
  const words = [];
  for (let i = 0; i <= short; i++) for (const part of parts) if (i < part.data.length) words.push(at(part.data, i));
  for (let i = 0; i < checkLength; i++) for (const part of parts) words.push(at(part.check, i));
  return words;
}

/** Multiplication in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1. @param {number} a @param {number} b */
function multiply(a, b) {
  let product = 0;
  for (let i = 7; i >= 0; i--) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d);
    product ^= ((b >>> i) & 1) * a;
  }
  return product;
}

/** @param {number} degree */
function generator(degree) {
  const result = new Uint8Array(degree);
  result[degree - 1] = 1;
  let root = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) {
      result[j] = multiply(at(result, j), root) ^ (j + 1 < degree ? at(result, j + 1) : 0);
    }
    root = multiply(root, 2);
  }
  return result;
}

/** @param {Uint8Array} data @param {Uint8Array} divisor */
function remainder(data, divisor) {
  const result = new Uint8Array(divisor.length);
  for (const byte of data) {
    const factor = byte ^ at(result, 0);
    result.copyWithin(0, 1);
    result[result.length - 1] = 0;
    for (const [i, coefficient] of divisor.entries()) result[i] = at(result, i) ^ multiply(coefficient, factor);
  }
  return result;
}

/** @param {ArrayLike<number>} array @param {number} index */
function at(array, index) {
  return /** @type {number} */ (array[index]);
}

/** @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (_x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => (x * y) % 2 + (x * y) % 3 === 0,
  (x, y) => ((x * y) % 2 + (x * y) % 3) % 2 === 0,
  (x, y) => ((x + y) % 2 + (x * y) % 3) % 2 === 0,
];

class Code {
  #size;
  #version;
  /** @type {boolean[][]} */
  #dark;
  /** Function patterns, which are not masked. @type {boolean[][]} */
  #fixed;

  /** @param {number} version */
  constructor(version) {
    this.#version = version;
    this.#size = version * 4 + 17;
    this.#dark = grid(this.#size);
    this.#fixed = grid(this.#size);
    this.#patterns();
  }

  /** @param {number} x @param {number} y @param {boolean} dark */
  #set(x, y, dark) {
    if (x < 0 || y < 0 || x >= this.#size || y >= this.#size) return;
    /** @type {boolean[]} */ (this.#dark[y])[x] = dark;
    /** @type {boolean[]} */ (this.#fixed[y])[x] = true;
  }

  #patterns() {
    const last = this.#size - 1;
    for (let i = 0; i < this.#size; i++) {
      this.#set(6, i, i % 2 === 0);
      this.#set(i, 6, i % 2 === 0);
    }
    for (const [x, y] of [[3, 3], [last - 3, 3], [3, last - 3]]) {
      this.#finder(/** @type {number} */ (x), /** @type {number} */ (y));
    }
    const places = this.#alignments();
    for (const x of places) {
      for (const y of places) {
        const isFinder = (x === 6 && y === 6) || (x === 6 && y === last - 6) || (x === last - 6 && y === 6);
        if (!isFinder) this.#square(x, y);
      }
    }
    this.#format(0);
    this.#versionMarks();
  }

  /** @param {number} x @param {number} y */
  #finder(x, y) {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const distance = Math.max(Math.abs(dx), Math.abs(dy));
        this.#set(x + dx, y + dy, distance !== 2 && distance !== 4);
      }
    }
  }

  /** @param {number} x @param {number} y */
  #square(x, y) {
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) this.#set(x + dx, y + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
    }
  }

  #alignments() {
    if (this.#version === 1) return [];
    const marks = Math.floor(this.#version / 7) + 2;
    const step = this.#version === 32 ? 26 : Math.ceil((this.#version * 4 + 4) / (marks * 2 - 2)) * 2;
    const places = [6];
    for (let place = this.#size - 7; places.length < marks; place -= step) places.splice(1, 0, place);
    return places;
  }

  /** @param {number} mask */
  #format(mask) {
    let rest = mask; // level M is 00
    for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
    const bits = ((mask << 10) | rest) ^ 0x5412;
    /** @param {number} i */
    const bit = (i) => ((bits >>> i) & 1) !== 0;
    for (let i = 0; i <= 5; i++) this.#set(8, i, bit(i));
    this.#set(8, 7, bit(6));
    this.#set(8, 8, bit(7));
    this.#set(7, 8, bit(8));
    for (let i = 9; i < 15; i++) this.#set(14 - i, 8, bit(i));
    for (let i = 0; i < 8; i++) this.#set(this.#size - 1 - i, 8, bit(i));
    for (let i = 8; i < 15; i++) this.#set(8, this.#size - 15 + i, bit(i));
    this.#set(8, this.#size - 8, true);
  }

  #versionMarks() {
    if (this.#version < 7) return;
    let rest = this.#version;
    for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
    const bits = (this.#version << 12) | rest;
    for (let i = 0; i < 18; i++) {
      const [a, b] = [this.#size - 11 + i % 3, Math.floor(i / 3)];
      this.#set(a, b, ((bits >>> i) & 1) !== 0);
      this.#set(b, a, ((bits >>> i) & 1) !== 0);
    }
  }

  /** Fills in the codewords: zigzag in columns of two, from the right. @param {number[]} words */
  place(words) {
    let index = 0;
    for (let right = this.#size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const isUpward = ((right + 1) & 2) === 0;
      for (let step = 0; step < this.#size; step++) {
        const y = isUpward ? this.#size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.#fixed[y]?.[x] || index >= words.length * 8) continue;
          const dark = ((at(words, index >> 3) >>> (7 - (index & 7))) & 1) !== 0;
          /** @type {boolean[]} */ (this.#dark[y])[x] = dark;
          index += 1;
        }
      }
    }
  }

  /** The code with the mask of the lowest penalty. */
  masked() {
    let best = { penalty: Infinity, modules: /** @type {boolean[][]} */ ([]) };
    for (const [mask, inverts] of MASKS.entries()) {
      this.#format(mask);
      const modules = this.#dark.map((row, y) =>
        row.map((dark, x) => dark !== (!this.#fixed[y]?.[x] && inverts(x, y)))
      );
      const penalty = penaltyOf(modules);
      if (penalty < best.penalty) best = { penalty, modules };
    }
    return best.modules;
  }
}

/** @param {number} size */
function grid(size) {
  return Array.from({ length: size }, () => new Array(size).fill(false));
}

/**
 * Penalty of a code: long runs, squares, finder-like patterns, and an uneven balance of dark and light.
 *
 * @param {boolean[][]} modules
 */
function penaltyOf(modules) {
  const columns = modules.map((_, x) => modules.map((row) => row[x] ?? false));
  let penalty = [...modules, ...columns].reduce((sum, line) => sum + linePenalty(line), 0);
  let dark = 0;
  for (const [y, row] of modules.entries()) {
    for (const [x, module] of row.entries()) {
      dark += Number(module);
      const isSquare = x > 0 && y > 0 && module === row[x - 1] && module === modules[y - 1]?.[x] &&
        module === modules[y - 1]?.[x - 1];
      if (isSquare) penalty += 3;
    }
  }
  const total = modules.length ** 2;
  return penalty + 10 * (Math.ceil(Math.abs(dark * 20 - total * 10) / total) - 1);
}

/** @param {boolean[]} line */
function linePenalty(line) {
  const text = line.map((dark) => dark ? "1" : "0").join("");
  let penalty = 0;
  for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
  for (const pattern of ["10111010000", "00001011101"]) {
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) penalty += 40;
  }
  return penalty;
}
