/** Characters. Longer ones fit no table and name nobody. */
const MAX_URI_LENGTH = 1024;
const HOST = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const IPV6 = /^\[[0-9a-f:.]{2,45}\]$/;
// RFC 3261 §25.1: user is unreserved, user-unreserved or escaped.
const USER = /^(?:[a-z0-9\-_.!~*'()&=+$,;?/]|%[0-9a-f]{2}){1,255}$/;
/** Unreserved characters of RFC 3261 §25.1: the only ones that mean the same escaped and bare. */
const UNRESERVED = /^[a-z0-9\-_.!~*'()]$/;

/**
 * An address of record for comparing and storing (RFC 3261 §10.3): `sip:` scheme, lower case, without
 * parameters, headers and port. Undefined for whatever is not a SIP URI with user and host.
 *
 * DEVIATION(RFC 3261 §19.1.4): the user part is compared without regard to case and sips is the same as sip,
 * since both name one person here.
 *
 * @param uri an addr-spec, with or without angle brackets; a display name is not accepted
 */
export function normaliseAor(uri: string): string | undefined {
  if (uri.length > MAX_URI_LENGTH) return undefined;
  const bare = uri.startsWith("<") && uri.endsWith(">") ? uri.slice(1, -1) : uri;
  const scheme = /^sips?:/i.exec(bare)?.[0];
  if (scheme === undefined) return undefined;
  const at = bare.indexOf("@");
  if (at < 0) return undefined;
  const user = unescapeUser(bare.slice(scheme.length, at).toLowerCase());
  const host = hostOf(bare.slice(at + 1).toLowerCase());
  if (host === undefined || !USER.test(user)) return undefined;
  return `sip:${user}@${host}`;
}

function unescapeUser(user: string): string {
  return user.replace(/%([0-9a-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16)).toLowerCase();
    return UNRESERVED.test(character) ? character : escaped;
  });
}

function hostOf(rest: string): string | undefined {
  const end = rest.search(/[;?]/);
  const parameters = end < 0 ? "" : rest.slice(end);
  // A second "@" means that the first one was not the separator: such a URI can be read in two ways.
  if (!/^[!-?A-~]*$/.test(parameters)) return undefined;
  const hostport = end < 0 ? rest : rest.slice(0, end);
  const host = hostport.replace(/:[0-9]{1,5}$/, "");
  return HOST.test(host) || IPV6.test(host) ? host : undefined;
}
