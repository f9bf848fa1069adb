/**
 * The texts of the page in other languages than English, as modules: a browser loads the one that it needs.
 *
 * @module
 */

import json from "./script/words.json" with { type: "text" };

/** The texts in each language by the English ones; those about a number by its plural categories. */
export type Words = Readonly<Record<string, Readonly<Record<string, string | Readonly<Record<string, string>>>>>>;

/** All texts, as they are in the file: its hash tells versions apart. */
export const wordsJson: string = json;

/** The texts, read. */
export const words: Words = JSON.parse(json);

/** The languages besides English. */
export const languages: readonly string[] = Object.keys(Object.values(words)[0]!);

/** The modules by name. */
export function wordFiles(): Map<string, string> {
  return new Map(languages.map((language) => [`words_${language}.js`, moduleOf(language)]));
}

function moduleOf(language: string): string {
  const own = Object.entries(words).map(([english, row]) => [english, row[language]]);
  return `export const words = ${JSON.stringify(Object.fromEntries(own))};\n`;
}
