import type { Privacy, Room, RoomType } from "../../src/chat/room.ts";
import type { Aor, User } from "../../src/chat/user.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import type { Named } from "./rights-attempts.ts";
import type { Standing } from "./rights-table.ts";

/** By what a list binds somebody: it names him, his group, a group around his group, or his domain. */
export const WAYS = ["self", "group", "nested", "domain"] as const;
export type Way = (typeof WAYS)[number];

export interface Person {
  readonly standing: Standing;
  readonly way: Way;
  readonly user: User;
  /** What lists name. */
  readonly principal: string;
}

export interface RightsCase {
  readonly room: Room;
  readonly privacy: Privacy;
  readonly type: RoomType;
  readonly disabled: boolean;
}

export interface RightsWorld {
  readonly people: readonly Person[];
  readonly cases: readonly RightsCase[];
  readonly here: string;
  readonly named: Named;
}

/** Who is in no list is not in one by any way; and a domain administers nothing. */
const BY_ONE_WAY: readonly Standing[] = ["stranger", "scoped"];
const isPossible = (standing: Standing, way: Way) =>
  BY_ONE_WAY.includes(standing) ? way === "self" : standing !== "admin" || way !== "domain";

/** Each standing held by each way, and a room of each kind in which it is held. */
export async function rightsWorld(stores: Stores, standings: readonly Standing[]): Promise<RightsWorld> {
  const { administration } = stores;
  const people: Person[] = [];
  for (const standing of standings)
    for (const way of WAYS)
      if (isPossible(standing, way)) people.push(await newPerson(stores, standing, way));
  for (const { standing, way, principal } of people) {
    if (standing !== "admin") continue;
    if (way === "self") await administration.setAdministrator(principal, true);
    else await administration.setGroupAdministers(principal, true);
  }
  const named = (...wanted: readonly Standing[]) =>
    people.filter(({ standing }) => wanted.includes(standing)).map(({ principal }) => principal);
  // Who is denied is allowed, a member and a manager by his own address, and denied by his way.
  const denied = people.flatMap((one) => (one.standing === "denied" ? [one.user.uri] : []));
  const allowed = [
    ...named(...standings.filter((one) => one !== "stranger" && one !== "admin" && one !== "denied")),
    ...denied,
  ];
  await administration.addAddIn({ name: "Board", url: "https://board.example.com" });
  for (const name of ["Here", "There"]) await administration.addCategory({ name, allowed });
  await administration.changeCategory("Here", { creators: named("creator") });
  await administration.changeCategory("There", { creators: named("creator", "both") });
  const cases: RightsCase[] = [];
  for (const privacy of ["open", "closed", "secret"] as const)
    for (const type of ["normal", "auditorium"] as const)
      for (const disabled of [false, true]) {
        const presenters = type === "auditorium" ? named("presenter") : [];
        const members = [...named("member", "presenter", "both"), ...denied];
        const lists = {
          member: members,
          manager: [...named("manager", "both"), ...denied],
          presenter: presenters,
        };
        const room = await administration.addRoom({
          name: `Room ${cases.length}`,
          category: "Here",
          privacy,
          type,
          disabled,
          roles: (["member", "manager", "presenter"] as const).map((role) => {
            return { role, change: "add", principals: lists[role] };
          }),
        });
        cases.push({ room, privacy, type, disabled });
      }
  for (const name of ["Here", "There"])
    await administration.changeCategory(name, { denied: named("denied") });
  const uriOf = async (name: string) =>
    `ma-cat://example.com/${(await administration.inspectCategory(name)).category.guid}`;
  const addressOf = (standing: Standing) =>
    people.find((one) => one.standing === standing)?.user.uri ?? "sip:nobody@example.com";
  const there = await uriOf("There");
  return {
    people: await Promise.all(
      people.map(async (one) => ({ ...one, user: await found(stores, one.user.uri) })),
    ),
    cases,
    here: await uriOf("Here"),
    named: {
      scoped: addressOf("scoped"),
      stranger: addressOf("stranger"),
      there,
      taken: "There",
      addIn: "Board",
    },
  };
}

/** A user whom lists name by that way. */
async function newPerson(stores: Stores, standing: Standing, way: Way): Promise<Person> {
  const name = `${standing}-${way}`;
  const user = await newUserAt(stores, `sip:${name}@${way === "domain" ? `${name}.example` : "example.com"}`);
  return { standing, way, user, principal: await principalOf(stores, user.uri, way, name) };
}

export async function newUserAt(stores: Stores, uri: string): Promise<User> {
  await stores.administration.addUser({ uri, enabled: true });
  return found(stores, uri);
}

/** What a list names to bind this user by that way. @param label of the groups that are made for it */
export async function principalOf(stores: Stores, uri: string, way: Way, label: string): Promise<string> {
  const { administration } = stores;
  if (way === "self") return uri;
  if (way === "domain") {
    const domain = uri.slice(uri.indexOf("@") + 1);
    await administration.addDomainPrincipal(domain);
    return domain;
  }
  const group = `ma-grp:${label}`;
  await administration.addGroup(group, label);
  await administration.addToGroup(group, [uri]);
  if (way === "group") return group;
  const around = `ma-grp:around-${label}`;
  await administration.addGroup(around, `around ${label}`);
  await administration.addToGroup(around, [group]);
  return around;
}

export async function found(stores: Stores, uri: string): Promise<User> {
  const user = await stores.users.find(uri as Aor); // in lower case
  if (!user) throw new Error(`${uri} was just added`);
  return user;
}
