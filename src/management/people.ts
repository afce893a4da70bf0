import { ChatError } from "../chat/errors.ts";
import type { Actor } from "./actor.ts";
import { domainName, groupUri, principalUri, userUri } from "./addresses.ts";
import type {
  GlobalPolicy,
  KnownPrincipal,
  Listings,
  ManagementUnit,
  PrincipalFields,
  RecordedRoom,
} from "./ports.ts";
import type { Rights } from "./rights.ts";

/** More at once are a matter of everybody's: looking at each would cost the nodes more. */
const MANY_ROOMS = 500;

export interface NewUser {
  /** `sip:alice@example.com`; stored in lower case. */
  readonly uri: string;
  readonly displayName?: string;
  readonly email?: string | null;
  /** The user's own policy; null takes the global one. */
  readonly enabled?: boolean | null;
  /** Own policy for creating rooms; null takes the global one. */
  readonly mayCreateRooms?: boolean | null;
  /** Of all rooms and categories. */
  readonly administrator?: boolean;
}

/** Users, groups, domains, and who may take part at all. Repeating a call changes nothing. */
export function peopleManagement(rights: Rights, servedDomain: string) {
  const { store } = rights;
  return {
    /**
     * Adds the user, or brings what is given up to date.
     * @param must "exist": nobody is added
     * @returns the principal's id
     * @throws {ChatError} BAD_REQUEST, PRINCIPAL_NOT_FOUND
     */
    async saveUser(actor: Actor, wanted: NewUser, must?: "exist"): Promise<number> {
      rights.administrator(actor);
      const uri = userUri(wanted.uri);
      return store.change(actor, async (unit) => {
        const known = must ? await oneOfKind(unit, uri, "user") : (await unit.principals([uri])).get(uri);
        const fields: PrincipalFields = {
          uri,
          kind: "user",
          displayName: wanted.displayName ?? known?.displayName ?? nameIn(uri),
          email: wanted.email === undefined ? (known?.email ?? null) : wanted.email,
          enabled: wanted.enabled === undefined ? (known?.enabled ?? null) : wanted.enabled,
          mayCreateRooms:
            wanted.mayCreateRooms === undefined ? (known?.mayCreateRooms ?? null) : wanted.mayCreateRooms,
          administrator: wanted.administrator ?? known?.administrator ?? false,
        };
        const id = known?.id ?? (await unit.insertPrincipal(fields));
        if (known) await unit.updatePrincipal(id, fields);
        recordNames(unit, uri, known, fields);
        recordPolicies(unit, uri, known, fields);
        unit.changed({ kind: "user", id });
        return id;
      });
    },

    /** Whether all users of a group administer the pool. @throws {ChatError} PRINCIPAL_NOT_FOUND */
    async setGroupAdministers(actor: Actor, group: string, administrator: boolean): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const known = await oneOfKind(unit, group, "group");
        await unit.updatePrincipal(known.id, { administrator });
        recordPolicies(unit, known.uri, known, { ...known, administrator });
        unit.changed({ kind: "everybody" });
      });
    },

    /** Of one user. @throws {ChatError} PRINCIPAL_NOT_FOUND */
    async setUserPolicy(
      actor: Actor,
      uri: string,
      policies: Partial<Pick<PrincipalFields, "enabled" | "mayCreateRooms" | "administrator">>,
    ): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const known = await oneOfKind(unit, uri, "user");
        await unit.updatePrincipal(known.id, policies);
        recordPolicies(unit, known.uri, known, { ...known, ...policies });
        unit.changed({ kind: "user", id: known.id });
      });
    },

    /** For everybody without a policy of their own. `enable-persistent-chat` is off at first, `create-rooms` on. */
    async setGlobalPolicy(actor: Actor, policy: GlobalPolicy, value: boolean): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const before = await unit.globalPolicy(policy);
        if (before === value) return;
        await unit.setGlobalPolicy(policy, value);
        unit.record({ kind: "POLICY_CHANGED", subject: policy, before, after: value });
        unit.changed({ kind: "everybody" });
      });
    },

    /** A domain is served from now on, and all its users can be named by it. @returns the principal's id */
    async saveDomain(actor: Actor, domain: string): Promise<number> {
      rights.administrator(actor);
      const uri = domainName(domain);
      return store.change(actor, async (unit) => {
        const { id, isNew } = await insertOnce(unit, uri, "domain", uri);
        if (isNew)
          unit.record({ kind: "DOMAIN_CHANGED", subject: uri, before: null, after: { served: true } });
        return id;
      });
    },

    /**
     * A domain is served no longer: none of its users comes into being by signing in, and lists cannot name it. Those who are known
     * already stay, with what they were given themselves.
     * @param fromLists takes it out of every list that names it, and with it whoever had a right by it alone
     * @throws {ChatError} PRINCIPAL_NOT_FOUND, NOT_EMPTY when lists name it, BAD_REQUEST for the domain of the configuration
     */
    async removeDomain(actor: Actor, domain: string, fromLists: boolean): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const known = await oneOfKind(unit, domainName(domain), "domain");
        if (known.uri === servedDomain.toLowerCase())
          throw new ChatError("BAD_REQUEST", {
            detail: `${known.uri} is the domain of the configuration: it is served while it stands there.`,
          });
        const { rooms, categories } = await unit.listingsOf(known.id);
        const named = [
          ...categories.map(({ name, word }) => `${word} of the category "${name}"`),
          ...rooms.map(({ name, word }) => `${word} of the room "${name}"`),
        ];
        if (named.length > 0 && !fromLists)
          throw new ChatError("NOT_EMPTY", { detail: `${known.uri} is ${someOf(named)}.` });
        await leaveLists(unit, known);
        await unit.deleteDomain(known.id);
        unit.record({ kind: "DOMAIN_CHANGED", subject: known.uri, before: { served: true }, after: null });
        unit.changed({ kind: "everybody" });
      });
    },

    /** A group; who is in it is said elsewhere. @param uri such as `ma-grp:4711` @returns the principal's id */
    async saveGroup(actor: Actor, uri: string, displayName: string): Promise<number> {
      rights.administrator(actor);
      if (displayName.trim() === "" || [...displayName].length > 255)
        throw new ChatError("BAD_REQUEST", { detail: "A group's name has 1 to 255 characters." });
      return store.change(actor, async (unit) => {
        const { id, isNew } = await insertOnce(unit, groupUri(uri), "group", displayName);
        if (isNew)
          unit.record({ kind: "GROUP_CHANGED", subject: uri, before: null, after: { name: displayName } });
        return id;
      });
    },
  };
}

/**
 * Takes a user out of every room's and category's lists and off the pool: nothing is left that he may do. The address stays,
 * because messages bear it. Whoever calls it takes him out of his groups.
 */
export async function dismissUser(unit: ManagementUnit, known: KnownPrincipal): Promise<Listings> {
  const listings = await leaveLists(unit, known);
  const off = { enabled: false, mayCreateRooms: false, administrator: false };
  await unit.updatePrincipal(known.id, off);
  recordPolicies(unit, known.uri, known, { ...known, ...off });
  unit.changed({ kind: "user", id: known.id });
  return listings;
}

/**
 * Out of every list that names it, on the record of each room and category: the archive must be able to say who had a right there.
 * @returns the lists
 */
export async function leaveLists(
  unit: ManagementUnit,
  known: Pick<KnownPrincipal, "id" | "uri" | "kind">,
): Promise<Listings> {
  const listings = await unit.listingsOf(known.id);
  const named = (words: readonly string[]) => Object.fromEntries(words.map((word) => [word, [known.uri]]));
  const rooms = listings.rooms.length > 0 ? await unit.leaveRooms(known) : new Map<number, RecordedRoom>();
  const words = new Map(wordsById(listings.rooms).map((one) => [one.id, one.words]));
  for (const room of rooms.values()) {
    const before = named(words.get(room.id) ?? []);
    unit.record({ kind: "ROLE_CHANGED", subject: "", before, after: {} }, room);
  }
  const categories = wordsById(listings.categories);
  for (const { id, name, words: scope } of categories) {
    for (const word of scope) await unit.dropScope(id, word, known.id);
    await unit.updateCategory(id, {});
    unit.record({ kind: "CATEGORY_CHANGED", subject: name, before: named(scope), after: {} });
  }
  if (rooms.size > MANY_ROOMS) unit.changed({ kind: "everybody" });
  else for (const id of rooms.keys()) unit.changed({ kind: "room", id });
  for (const { id } of categories) unit.changed({ kind: "category", id });
  return listings;
}

/** What a sentence has room for. */
function someOf(names: readonly string[], most = 5): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** In the order of ids, in which rooms are locked. */
function wordsById<Word>(
  entries: readonly { readonly id: number; readonly name: string; readonly word: Word }[],
): { readonly id: number; readonly name: string; readonly words: Word[] }[] {
  const byId = new Map<number, { id: number; name: string; words: Word[] }>();
  for (const { id, name, word } of entries) {
    const known = byId.get(id);
    if (known) known.words.push(word);
    else byId.set(id, { id, name, words: [word] });
  }
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

/** The user part stands for a name that nobody gave. */
export function nameIn(uri: string): string {
  return uri.replace(/^sip:/, "").replace(/@.*$/, "").slice(0, 255);
}

/** When they are different. */
export function recordNames(
  unit: ManagementUnit,
  subject: string,
  before: PrincipalFields | undefined,
  after: PrincipalFields,
): void {
  const of = ({ displayName: name, email }: PrincipalFields) => ({ name, email });
  const [was, is] = [before ? of(before) : null, of(after)];
  if (JSON.stringify(was) !== JSON.stringify(is))
    unit.record({ kind: "USER_CHANGED", subject, before: was, after: is });
}

/** When they are different. */
export function recordPolicies(
  unit: ManagementUnit,
  subject: string,
  before: PrincipalFields | undefined,
  after: PrincipalFields,
): void {
  const of = ({ enabled, mayCreateRooms, administrator }: PrincipalFields) => ({
    enabled,
    mayCreateRooms,
    administrator,
  });
  const [was, is] = [before ? of(before) : null, of(after)];
  if (JSON.stringify(was) !== JSON.stringify(is))
    unit.record({ kind: "POLICY_CHANGED", subject, before: was, after: is });
}

/** @throws {ChatError} PRINCIPAL_NOT_FOUND */
export async function oneOfKind(
  unit: ManagementUnit,
  uri: string,
  kind: PrincipalFields["kind"],
): Promise<KnownPrincipal> {
  const wanted = principalUri(uri);
  const known = (await unit.principals([wanted])).get(wanted);
  if (known?.kind !== kind)
    throw new ChatError("PRINCIPAL_NOT_FOUND", { detail: `There is no ${kind} ${uri}.` });
  return known;
}

async function insertOnce(
  unit: ManagementUnit,
  uri: string,
  kind: "group" | "domain",
  displayName: string,
): Promise<{ readonly id: number; readonly isNew: boolean }> {
  const known = (await unit.principals([uri])).get(uri);
  if (known) return { id: known.id, isNew: false };
  const policies = { email: null, enabled: null, mayCreateRooms: null, administrator: false };
  return { id: await unit.insertPrincipal({ uri, kind, displayName, ...policies }), isNew: true };
}
