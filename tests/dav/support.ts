import { assertEquals } from "@std/assert";
import { readXml, type XmlElement } from "../../handlers/dav/xml.ts";

/** What a server answers to a request: as `fetch`. */
export type Fetch = (request: Request) => Response | Promise<Response>;

/** Sends a request to a path. */
export async function send(
  fetch: Fetch,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Promise<Response> {
  const init = { method, headers, ...(body !== undefined && { body }) };
  return await fetch(new Request(`http://localhost${path}`, init));
}

/** The status of a response; its body is not read. */
export async function statusOf(response: Response | Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

/** A response in a multi-status: for each status, the properties and their values. */
export type Reported = Record<string, Record<string, string>>;

/** A multi-status by href; properties of WebDAV's namespace by their names, others as `{NAMESPACE}NAME`. */
export async function reportedBy(response: Response): Promise<Record<string, Reported>> {
  assertEquals(response.status, 207);
  const root = await readXml(response.body, { maxBytes: 100_000_000, maxNodes: Infinity });
  assertEquals([root!.namespace, root!.name], ["DAV:", "multistatus"]);
  return Object.fromEntries(root!.children.map((each) => [child(each, "href")!.text, reported(each)]));
}

function reported(response: XmlElement): Reported {
  const stats = response.children.filter(({ name }) => name === "propstat").map((propstat) => {
    const properties = child(propstat, "prop")!.children.map((property) => {
      const key = property.namespace === "DAV:" ? property.name : `{${property.namespace}}${property.name}`;
      const inner = property.children.map(({ name }) => `<${name}>`).join("");
      return [key, property.text + inner];
    });
    return [child(propstat, "status")!.text.split(" ")[1]!, Object.fromEntries(properties)];
  });
  const status = child(response, "status")?.text.split(" ")[1];
  return { ...Object.fromEntries(stats), ...(status !== undefined && { [status]: {} }) };
}

/** A child of WebDAV's namespace. */
export function child({ children }: XmlElement, name: string): XmlElement | undefined {
  return children.find((each) => each.namespace === "DAV:" && each.name === name);
}
