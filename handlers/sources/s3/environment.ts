/**
 * The settings that programs for object stores share: the variables `AWS_*`, and the files in `~/.aws`.
 *
 * What Deno does not permit to read counts as missing: nothing is asked for at run time.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { ExpiringKeys } from "./client.ts";

/** What the environment says about a store. */
export interface EnvironmentSettings {
  readonly keys: ExpiringKeys | null;
  readonly region: string | null;
  readonly endpoint: string | null;
  /** Whether the bucket belongs in the path; null if it does not say. */
  readonly pathStyle: boolean | null;
}

/** Reads the settings of a profile; by default that of `AWS_PROFILE`, whose keys the variables override. */
export function environmentSettings(profile: string | undefined): EnvironmentSettings {
  const name = profile ?? variable("AWS_PROFILE") ?? "default";
  const credentials = sectionsOf(fileText("AWS_SHARED_CREDENTIALS_FILE", "credentials")).get(name);
  const config = sectionsOf(fileText("AWS_CONFIG_FILE", "config"));
  const settings = config.get(`profile ${name}`) ?? config.get(name);
  const style = settings?.get("s3.addressing_style") ?? settings?.get("addressing_style");
  return {
    keys: (profile === undefined ? keysOfVariables() : null) ?? keysIn(credentials) ?? keysIn(settings),
    region: variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? settings?.get("region") ?? null,
    endpoint: variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL") ?? settings?.get("endpoint_url") ?? null,
    pathStyle: style === "path" ? true : style === "virtual" ? false : null,
  };
}

type Section = ReadonlyMap<string, string>;

function keysOfVariables(): ExpiringKeys | null {
  const [id, secret] = [variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")];
  return id && secret
    ? { accessKeyId: id, secretAccessKey: secret, sessionToken: variable("AWS_SESSION_TOKEN") }
    : null;
}

function keysIn(section: Section | undefined): ExpiringKeys | null {
  const [id, secret] = [section?.get("aws_access_key_id"), section?.get("aws_secret_access_key")];
  return id && secret
    ? { accessKeyId: id, secretAccessKey: secret, sessionToken: section?.get("aws_session_token") }
    : null;
}

/** A variable; undefined if it is empty, or not permitted. */
function variable(name: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return undefined;
  return Deno.env.get(name) || undefined;
}

/** The text of a file; empty if it does not exist, or is not permitted. */
function fileText(pathVariable: string, name: string): string {
  const home = variable(Deno.build.os === "windows" ? "USERPROFILE" : "HOME");
  const path = variable(pathVariable) ?? (home && join(home, ".aws", name));
  if (!path || Deno.permissions.querySync({ name: "read", path }).state !== "granted") return "";
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** The sections of a file; indented settings get the name of the one above them: `s3.addressing_style`. */
function sectionsOf(text: string): Map<string, Section> {
  const sections = new Map<string, Map<string, string>>();
  let [section, above] = [new Map<string, string>(), ""];
  for (const line of text.split(/\r?\n/)) {
    const [, title] = /^\[([^\]]*)\]/.exec(line) ?? [];
    if (title !== undefined) sections.set(title.trim(), section = new Map());
    const equals = line.indexOf("=");
    if (title !== undefined || /^\s*[#;]/.test(line) || equals < 0) continue;
    const [name, value] = [line.slice(0, equals).trim(), line.slice(equals + 1).trim()];
    const isIndented = /^\s/.test(line);
    if (!isIndented) above = name;
    section.set(isIndented ? `${above}.${name}` : name, value);
  }
  return sections;
}
