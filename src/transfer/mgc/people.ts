import { domainName, groupUri, userUri } from "../../management/addresses.ts";
import type { GroupLine, MembershipLine, PeopleLine, UserLine } from "../format.ts";
import type { Collected, MgcPrincipal } from "./collected.ts";

export type Note = (text: string) => void;

export interface Mapping {
  /** Domain that is served here: rooms get it. */
  readonly served: string;
  /** Domains of addresses, old to new. */
  readonly domains: ReadonlyMap<string, string>;
  readonly note: Note;
}

export interface People {
  readonly lines: readonly PeopleLine[];
  /** Addresses of those who can stand in lists, by their number. */
  readonly uris: ReadonlyMap<number, string>;
}

/** What principals are here: users, groups (an OU is one), and the domain that is served. */
export function peopleOf({ principals, affiliations }: Collected, mapping: Mapping): People {
  const { note, served } = mapping;
  const uris = new Map<number, string>();
  const users = new Map<string, UserLine>();
  const groups = new Map<string, GroupLine>();
  const elsewhere = new Map<string, number>();
  let policies = 0;
  for (const principal of [...principals.values()].sort((a, b) => a.id - b.id)) {
    const { id, type, where } = principal;
    if (type === "user") {
      const uri = addressOf(principal, mapping);
      if (uri === undefined) {
        note(
          `${where}: "${principal.uri}" is no user's address: who has it is in no list, and his messages have no author`,
        );
        continue;
      }
      uris.set(id, uri);
      if (principal.hasPolicy) policies += 1;
      const domain = uri.replace(/^.*@/, "");
      if (domain !== served) elsewhere.set(domain, (elsewhere.get(domain) ?? 0) + 1);
      const known = users.get(uri);
      if (known) note(`${where}: ${uri} stands there twice: both are one user here`);
      if (!known || (known.chat === false && !principal.disabled)) users.set(uri, userLine(uri, principal));
    } else if (type === "group" || type === "folder" || type === "domain") {
      const domain = type === "domain" ? dnsNameOf(principal.path, mapping) : undefined;
      if (domain === served) {
        note(`${where}: the domain ${principal.path} is ${served} here, with all its users`);
        uris.set(id, served);
        continue;
      }
      const group = groupOf(principal);
      if (type !== "group")
        note(
          `${where}: ${type === "folder" ? "the OU or container" : "the domain"} ${principal.path ?? principal.uri} becomes the group ${group.uri}, ` +
            `with the ${affiliations.get(id)?.length ?? 0} users it had; it does not follow the directory`,
        );
      uris.set(id, group.uri);
      groups.set(group.uri, group);
    } else
      note(
        `${where}: "${principal.uri}" is ${type === "system" ? "the system's own" : "of an unknown type"}: left out`,
      );
  }
  for (const [domain, count] of elsewhere)
    note(
      `${count} users are of ${domain}, which is not served here: they sign on only if it is (--domain-map ${domain}=${served} makes them ${served}'s)`,
    );
  if (policies > 0)
    note(
      `${policies} users had a persistent chat policy of their own (prinPolicyID), which does not say what it allows: they take the global one`,
    );
  const memberships = membershipsOf(affiliations, uris, new Set(groups.keys()), note);
  return { lines: [...sorted(users), ...sorted(groups), ...memberships], uris };
}

function sorted<Line extends PeopleLine>(lines: ReadonlyMap<string, Line>): Line[] {
  return [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line);
}

function userLine(uri: string, { name, email, disabled }: MgcPrincipal): UserLine {
  const displayName = name === "" ? uri.replace(/^sip:/, "").replace(/@.*$/, "") : name;
  return {
    type: "user",
    uri,
    name: [...displayName].slice(0, 255).join(""),
    email: email === null ? null : email.slice(0, 320),
    chat: disabled ? false : null,
    createRooms: null,
    administrator: false,
  };
}

function addressOf({ uri }: MgcPrincipal, { domains }: Mapping): string | undefined {
  const [, user, domain = ""] = /^(?:sip:)?([^@]+)@([^@;]+)(?:;.*)?$/i.exec(uri) ?? [];
  if (user === undefined) return undefined;
  const mapped = domains.get(domain.toLowerCase()) ?? domain;
  try {
    return userUri(`sip:${user}@${mapped}`);
  } catch {
    return undefined;
  }
}

/** `DC=corp,DC=example,DC=com` is corp.example.com. */
function dnsNameOf(path: string | null, { domains }: Mapping): string | undefined {
  const parts = [...(path ?? "").matchAll(/(?:^|,)\s*DC=([^,]+)/gi)].map(([, part]) => part?.trim() ?? "");
  if (parts.length === 0) return undefined;
  try {
    const name = domainName(parts.join("."));
    return domains.get(name) ?? name;
  } catch {
    return undefined;
  }
}

function groupOf({ id, uri, guid, name, path }: MgcPrincipal): GroupLine {
  const named = name || /^\s*(?:CN|OU|DC)=([^,]+)/i.exec(path ?? "")?.[1] || uri;
  const displayName = [...named].slice(0, 255).join("") || `Group ${id}`;
  return {
    type: "group",
    uri: groupAddress(uri, guid, id),
    name: displayName,
    administrator: false,
    dn: null,
  };
}

function groupAddress(uri: string, guid: string | null, id: number): string {
  try {
    if (uri.startsWith("ma-grp:")) return groupUri(uri);
  } catch {
    // one of its own, below
  }
  return `ma-grp:${guid ?? `mgc-${id}`}`;
}

function* membershipsOf(
  affiliations: ReadonlyMap<number, readonly number[]>,
  uris: ReadonlyMap<number, string>,
  groups: ReadonlySet<string>,
  note: Note,
): Generator<MembershipLine> {
  let left = 0;
  const named = [...affiliations].map(([group, members]) => ({ group: uris.get(group), members }));
  for (const { group, members } of named.sort((a, b) => ((a.group ?? "") < (b.group ?? "") ? -1 : 1))) {
    if (group === undefined || !groups.has(group)) {
      if (group === undefined) left += members.length;
      continue; // a whole domain says by itself who is in it
    }
    const users = new Set(members.flatMap((id) => uris.get(id) ?? []));
    // Groups in groups are resolved already: only users count.
    for (const member of [...users].filter((uri) => uri.startsWith("sip:")).sort())
      yield { type: "membership", group, member, by: ["manual"] };
    left += members.filter((id) => !uris.has(id)).length;
  }
  if (left > 0) note(`${left} affiliations are of principals that are not taken over: left out`);
}
