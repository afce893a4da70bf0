import { normaliseAor } from "../sip/aor.ts";
import { comparableDn } from "./dn.ts";
import {
  type DirectoryGroup,
  type DirectorySnapshot,
  DirectoryTrouble,
  type DirectoryUser,
  type EntryReceiver,
  type GroupEntry,
  type UserEntry,
} from "./ports.ts";

/** Beyond these the directory is not the one that was meant, or is none for one pool. */
const MOST_USERS = 200_000;
const MOST_GROUPS = 50_000;
const MOST_MEMBERSHIPS = 1_000_000;
/** Characters that the tables take. */
const MOST_NAME = 255;
const MOST_EMAIL = 320;
const GROUP_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const MOST_DN = 1_024;

interface KnownGroup {
  readonly uri: string;
  readonly dn: string;
  readonly displayName: string;
  readonly members: readonly string[];
}

/** Gathers entries as they come and makes of them what a pool can use. Of each entry only what is needed is kept. */
export class SnapshotBuilder implements EntryReceiver {
  readonly #domains: ReadonlySet<string>;
  /** By address; null when several entries have it. */
  readonly #users = new Map<string, DirectoryUser | null>();
  /** Addresses and groups by name. */
  readonly #uriOf = new Map<string, string>();
  readonly #groups = new Map<string, KnownGroup>();
  /** What members say of themselves: member's name, group's name. */
  readonly #memberOf: [member: string, group: string][] = [];
  #withoutAddress = 0;
  #foreign = 0;
  #broken = 0;
  #memberships = 0;
  #entries = 0;
  readonly #onEntry: (entries: number) => void;

  /** @param domains those served here */
  constructor(domains: ReadonlySet<string>, onEntry: (entries: number) => void = () => {}) {
    this.#domains = domains;
    this.#onEntry = onEntry;
  }

  user(entry: UserEntry): void {
    this.#onEntry(++this.#entries);
    const dn = comparableDn(entry.dn);
    if (dn === undefined) {
      this.#broken += 1;
      return;
    }
    const addresses = entry.addresses.flatMap((text) => addressOf(text) ?? []);
    const uri = addresses.find((address) => this.#domains.has(address.slice(address.lastIndexOf("@") + 1)));
    if (uri === undefined) {
      if (addresses.length === 0) this.#withoutAddress += 1;
      else this.#foreign += 1;
      return;
    }
    if (this.#uriOf.has(dn)) return; // found below two bases
    this.#uriOf.set(dn, uri);
    const displayName = shortened(entry.displayName, MOST_NAME);
    const email = entry.email !== undefined && entry.email.length <= MOST_EMAIL ? entry.email : undefined;
    this.#users.set(uri, this.#users.has(uri) ? null : { uri, displayName, email });
    if (this.#users.size > MOST_USERS)
      throw new DirectoryTrouble(`the directory has more than ${MOST_USERS} users: narrow users-filter`);
    this.#keepMemberOf(dn, entry.memberOf);
  }

  group(entry: GroupEntry): void {
    this.#onEntry(++this.#entries);
    const dn = comparableDn(entry.dn);
    const uri = entry.id !== undefined && GROUP_ID.test(entry.id) ? `ma-grp:${entry.id}` : undefined;
    if (dn !== undefined && this.#uriOf.get(dn) === uri && uri !== undefined) return; // found below two bases
    if (dn === undefined || uri === undefined || this.#groups.has(uri) || this.#uriOf.has(dn)) {
      this.#broken += 1;
      return;
    }
    this.#uriOf.set(dn, uri);
    const members = entry.members.flatMap((member) => comparableDn(member) ?? []);
    this.#broken += entry.members.length - members.length;
    this.#count(members.length);
    const displayName = shortened(entry.name, MOST_NAME) ?? uri;
    this.#groups.set(uri, { uri, dn: entry.dn.slice(0, MOST_DN), displayName, members });
    if (this.#groups.size > MOST_GROUPS)
      throw new DirectoryTrouble(`the directory has more than ${MOST_GROUPS} groups: narrow groups-filter`);
    this.#keepMemberOf(dn, entry.memberOf);
  }

  /** All entries have come. */
  finish(): DirectorySnapshot {
    const groups = new Map<string, DirectoryGroup & { users: Set<string>; groups: Set<string> }>();
    let strangers = 0;
    const join = (memberDn: string, group: { uri: string; users: Set<string>; groups: Set<string> }) => {
      const uri = this.#uriOf.get(memberDn);
      if (uri === undefined) strangers += 1;
      else if (this.#groups.has(uri)) {
        if (uri !== group.uri) group.groups.add(uri);
      } else if (this.#users.get(uri)) group.users.add(uri);
    };
    for (const { members, ...known } of this.#groups.values())
      groups.set(known.uri, { ...known, users: new Set(), groups: new Set() });
    for (const { uri, members } of this.#groups.values()) {
      const group = groups.get(uri);
      if (group) for (const member of members) join(member, group);
    }
    for (const [member, groupDn] of this.#memberOf) {
      const group = groups.get(this.#uriOf.get(groupDn) ?? "");
      if (group) join(member, group);
    }
    const users = [...this.#users.values()].flatMap((user) => user ?? []);
    const ambiguous = [...this.#users].flatMap(([uri, user]) => (user === null ? [uri] : []));
    return {
      users,
      groups: [...groups.values()],
      leftOut: {
        withoutAddress: this.#withoutAddress,
        foreign: this.#foreign,
        ambiguous,
        broken: this.#broken,
        strangers,
      },
    };
  }

  #keepMemberOf(dn: string, groups: readonly string[]): void {
    this.#count(groups.length);
    for (const group of groups) {
      const groupDn = comparableDn(group);
      if (groupDn === undefined) this.#broken += 1;
      else this.#memberOf.push([dn, groupDn]);
    }
  }

  #count(more: number): void {
    this.#memberships += more;
    if (this.#memberships > MOST_MEMBERSHIPS)
      throw new DirectoryTrouble(
        `the directory has more than ${MOST_MEMBERSHIPS} memberships: narrow groups-filter`,
      );
  }
}

/** `sip:alice@example.com`, or the same without the scheme, as in a mail address. */
function addressOf(text: string): string | undefined {
  const bare = text.trim();
  return normaliseAor(/^sips?:/i.test(bare) ? bare : `sip:${bare}`);
}

function shortened(text: string | undefined, most: number): string | undefined {
  const bare = text?.replace(/\p{Cc}/gu, " ").trim();
  if (bare === undefined || bare === "") return undefined;
  return [...bare].slice(0, most).join("");
}
