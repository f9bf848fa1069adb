/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import config from "../deno.json" with { type: "json" };
import type { FeatureSettings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked. */
export async function loadFeatures({ fastcgi }: FeatureSettings): Promise<Feature[]> {
  return await fastCgiFeatures(fastcgi);
}

async function fastCgiFeatures(given: FeatureSettings["fastcgi"]): Promise<Feature[]> {
  if (given.length === 0) return [];
  const { fastcgi } = await import("../handlers/fastcgi.ts");
  return given.map((options) => fastcgi({ software: `pyserve/${config.version}`, ...options }));
}
