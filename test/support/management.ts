import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { Reply } from "../../plugin/client/pending-commands.ts";
import { attribute, child, children, escapeXml } from "../../plugin/client/xml-reader.ts";

/** `<chanib uri="…" …>inner</chanib>` */
export function room(
  uri: string,
  attributes: Readonly<Record<string, string | number>> = {},
  inner = "",
): string {
  const all = Object.entries({ uri, ...attributes }).map(
    ([name, value]) => ` ${name}="${escapeXml(String(value))}"`,
  );
  return `<chanib${all.join("")}>${inner}</chanib>`;
}

/** One change of one list. */
export function list(
  type: "MEMBER" | "MANAGER" | "PRESENTER",
  change: "ADD" | "REMOVE" | "REPLACE",
  uris: readonly string[],
): string {
  return `<rib type="${type}" change="${change}">${uris.map((uri) => `<uib uri="${escapeXml(uri)}"/>`).join("")}</rib>`;
}

/** What a reply says of a room. */
export function described(reply: Reply): Readonly<Record<string, string>> {
  return child(reply.data, "chanib")?.attributes ?? {};
}

/** Addresses in a room's list. */
export function listed(reply: Reply, type: string): string[] {
  const chanib = child(reply.data, "chanib");
  const block = chanib && children(chanib, "rib").find((one) => attribute(one, "type") === type);
  return block ? children(block, "uib").map((uib) => attribute(uib, "uri")) : [];
}

export interface Created {
  readonly name: string;
  readonly parent: string;
  readonly visibility?: "open" | "scoped" | "private";
  readonly attributes?: Readonly<Record<string, string>>;
  readonly lists?: readonly string[];
}

export function create(
  endpoint: XccosEndpoint,
  { name, parent, visibility, attributes = {}, lists = [] }: Created,
): Promise<Reply> {
  const all = Object.entries({ name, parent, ...attributes }).map(
    ([key, value]) => ` ${key}="${escapeXml(value)}"`,
  );
  const info = visibility ? `<info id="urn:parlano:ma:info:visibilty">${visibility}</info>` : "";
  return endpoint.command("chancreate", `<chanib${all.join("")}>${info}${lists.join("")}</chanib>`);
}
