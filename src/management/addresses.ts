import { ChatError } from "../chat/errors.ts";

/** Whatever case somebody types; what is no address of a principal finds nobody. */
export function principalUri(uri: string): string {
  return uri.startsWith("ma-grp:") ? uri : uri.toLowerCase();
}

/** @throws {ChatError} BAD_REQUEST */
export function userUri(uri: string): string {
  const address = uri.toLowerCase();
  if (!/^sip:[^@\s;?<>"]{1,255}@[a-z0-9.:[\]-]{1,253}$/.test(address))
    throw new ChatError("BAD_REQUEST", {
      detail: `${uri} is no user address such as sip:alice@example.com.`,
    });
  return address;
}

/** @throws {ChatError} BAD_REQUEST */
export function domainName(domain: string): string {
  const name = domain.toLowerCase();
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name))
    throw new ChatError("BAD_REQUEST", { detail: `${domain} is no domain such as example.com.` });
  return name;
}

/** @throws {ChatError} BAD_REQUEST */
export function groupUri(uri: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\S{1,500}$/.test(uri) || uri.startsWith("sip:"))
    throw new ChatError("BAD_REQUEST", { detail: `${uri} is no group address such as ma-grp:4711.` });
  return uri;
}
