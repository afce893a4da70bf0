/** `ma-chan://domain/value`, domain in lower case, as this server spells it everywhere. */
export type RoomUri = string & { readonly __brand: "RoomUri" };
/** `ma-cat://domain/value`, domain in lower case. */
export type CategoryUri = string & { readonly __brand: "CategoryUri" };

/** A room as a client names it. Value is opaque: a GUID, or a plain number in older installations. */
export interface RoomRef {
  readonly uri: RoomUri;
  readonly domain: string;
  readonly value: string;
}

/** A category as a client names it. */
export interface CategoryRef {
  readonly uri: CategoryUri;
  readonly domain: string;
  readonly value: string;
}

const DOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** Visible ASCII without the slash. */
const VALUE = /^[!-.0-~]{1,128}$/;

/**
 * The room of a domain and a value, as in `chanid@domain` and `chanid@value`.
 * Undefined when they cannot be parts of a room URI. The value's case is kept: clients compare it exactly.
 */
export function roomRef(domain: string, value: string): RoomRef | undefined {
  const lower = domain.toLowerCase();
  if (!DOMAIN.test(lower) || !VALUE.test(value)) return undefined;
  return { uri: formatRoomUri(lower, value), domain: lower, value };
}

/** Undefined for whatever is not `ma-chan://domain/value`. */
export function parseRoomUri(text: string): RoomRef | undefined {
  const parts = split(text, "ma-chan://");
  return parts && roomRef(parts[0], parts[1]);
}

/** Does not check its arguments: for what this server stored itself. `roomRef` checks. */
export function formatRoomUri(domain: string, value: string): RoomUri {
  // The brand has no other maker than these two functions.
  return `ma-chan://${domain}/${value}` as RoomUri;
}

/** Undefined for whatever is not `ma-cat://domain/value`. */
export function parseCategoryUri(text: string): CategoryRef | undefined {
  const parts = split(text, "ma-cat://");
  if (!parts) return undefined;
  const domain = parts[0].toLowerCase();
  if (!DOMAIN.test(domain) || !VALUE.test(parts[1])) return undefined;
  return { uri: formatCategoryUri(domain, parts[1]), domain, value: parts[1] };
}

/** Does not check its arguments: for what this server stored itself. */
export function formatCategoryUri(domain: string, value: string): CategoryUri {
  // The brand has no other maker than this function.
  return `ma-cat://${domain}/${value}` as CategoryUri;
}

function split(text: string, scheme: string): [domain: string, value: string] | undefined {
  if (text.slice(0, scheme.length).toLowerCase() !== scheme) return undefined;
  const slash = text.indexOf("/", scheme.length);
  return slash < 0 ? undefined : [text.slice(scheme.length, slash), text.slice(slash + 1)];
}
