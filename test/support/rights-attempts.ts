import type { Privacy, RoomType } from "../../src/chat/room.ts";
import { list, room } from "./management.ts";
import type { RIGHTS } from "./rights-table.ts";

/** What attempts name besides the room. */
export interface Named {
  /** Addresses of a user in the category's scope who is in no list, and of one out of it. */
  readonly scoped: string;
  readonly stranger: string;
  /** Category to which "creator" and "both" may move a room. */
  readonly there: string;
  /** A name that is taken, and an add-in that is registered. */
  readonly taken: string;
  readonly addIn: string;
}

/** One command about one room. */
export interface Attempt {
  readonly command: string;
  readonly what: string;
  /** Row of the table that it must keep to. */
  readonly rights: keyof typeof RIGHTS;
  readonly data: (uri: string, named: Named) => string;
  /** A permitted attempt changes the room. */
  readonly changes?: true;
  /** What 200 of the table is here, by hand: permitted, but this cannot be done, or there is nothing to give. */
  readonly permitted?: (privacy: Privacy, type: RoomType) => number;
}

const PRIVACY_INFO = "urn:parlano:ma:info:visibilty";
const INVITE_PROP = "urn:parlano:ma:prop:invite";

const chanid = (uri: string) => `<chanid key="0" domain="example.com" value="${uri.split("/").at(-1)}"/>`;

type Inner = string | ((named: Named) => string);
const modify =
  (attributes: Readonly<Record<string, string>>, inner: Inner = ""): Attempt["data"] =>
  (uri, named) =>
    room(uri, attributes, typeof inner === "string" ? inner : inner(named));

/** Of a message that is not there, or of no message at all: what is permitted does nothing. */
const moderation =
  (what: string, inner = ""): Attempt["data"] =>
  (uri) =>
    `${room(uri)}<moderation ${what} reason="r">${inner}</moderation>`;

const change = (
  what: string,
  data: Attempt["data"],
  rights: Attempt["rights"] = "MANAGE",
  permitted?: Attempt["permitted"],
): Attempt => ({
  command: "chanmodify",
  what,
  rights,
  changes: true,
  data,
  ...(permitted ? { permitted } : {}),
});

const look = (command: string, what: string, rights: Attempt["rights"], data: Attempt["data"]): Attempt => ({
  command,
  what,
  rights,
  data,
});

/** Every command that concerns one room, but joining and posting. */
export const ATTEMPTS: readonly Attempt[] = [
  look("bccontext", "read", "TAKE_PART", (uri) => `${room(uri)}<bcq><last cnt="5"/></bcq>`),
  look("bcbydate", "search in the history", "TAKE_PART", (uri) => `${room(uri)}<bcq><limit cnt="5"/></bcq>`),
  look(
    "bcbymsgid",
    "search from a message on",
    "TAKE_PART",
    (uri) => `${room(uri)}<bcq><msgid id="1"/></bcq>`,
  ),
  {
    ...look("getparts", "list participants", "TAKE_PART", (uri) => room(uri)),
    permitted: () => 480, // not joined
  },
  look("getchan", "see", "SEE", (uri) => room(uri)),
  look("getperms", "ask for the own rights", "SEE", (uri) => room(uri)),
  look("getroles", "see the managers", "SEE", (uri) => `${room(uri)}<rib type="MANAGER"/>`),
  look("getroles", "see the members", "MANAGE", (uri) => `${room(uri)}<rib type="MEMBER"/>`),
  look("getroles", "see the presenters", "MANAGE", (uri) => `${room(uri)}<rib type="PRESENTER"/>`),
  look("getroles", "see all lists", "MANAGE", (uri) => room(uri)),
  look("usrsrch", "look for members", "MANAGE", (uri) => `${room(uri)}<qib criteria="m"/>`),
  look(
    "usrsrch",
    "look for presenters",
    "MANAGE",
    (uri) => `${room(uri)}<qib criteria="m" presenters="true"/>`,
  ),
  look("chanmodify", "change nothing", "MANAGE", modify({})),
  change("rename", (uri) => room(uri, { name: `Renamed ${uri.split("/").at(-1)}` })),
  change(
    "take a name that another has",
    (uri, { taken }) => room(uri, { name: taken }),
    "MANAGE",
    () => 409,
  ),
  change("describe", modify({ description: "different" })),
  change("change what has been changed", modify({ description: "x", version: "999" }), "MANAGE", () => 409),
  change("change privacy", modify({}, `<info id="${PRIVACY_INFO}">open</info>`)),
  change("hide", modify({}, `<info id="${PRIVACY_INFO}">private</info>`)),
  change("change type", modify({ behavior: "AUDITORIUM" })),
  change("invite no more", modify({}, `<prop id="${INVITE_PROP}">false</prop>`)),
  change("give an add-in", (uri, { addIn }) => room(uri, { siopname: addIn })),
  change(
    "add a manager",
    modify({}, ({ scoped }) => list("MANAGER", "ADD", [scoped])),
  ),
  change(
    "remove a manager",
    modify({}, ({ scoped }) => list("MANAGER", "REMOVE", [scoped])),
  ),
  change(
    "replace the managers",
    modify({}, ({ scoped }) => list("MANAGER", "REPLACE", [scoped])),
  ),
  change(
    "add a member",
    modify({}, ({ scoped }) => list("MEMBER", "ADD", [scoped])),
  ),
  change(
    "remove a member",
    modify({}, ({ scoped }) => list("MEMBER", "REMOVE", [scoped])),
  ),
  change("remove the members", modify({}, list("MEMBER", "REPLACE", []))),
  change(
    "add a member out of scope",
    modify({}, ({ stranger }) => list("MEMBER", "ADD", [stranger])),
    "MANAGE",
    () => 403,
  ),
  change(
    "add somebody who is not known",
    modify({}, list("MEMBER", "ADD", ["sip:nobody@example.com"])),
    "MANAGE",
    () => 404,
  ),
  change(
    "add a presenter",
    modify({}, ({ scoped }) => list("PRESENTER", "ADD", [scoped])),
    "MANAGE",
    // A normal room has none; elsewhere a presenter is a member, and in an open room everybody is as good as one.
    (privacy, type) => (type === "normal" ? 400 : privacy === "open" ? 200 : 403),
  ),
  change(
    "add a presenter who becomes a member",
    modify({}, ({ scoped }) => list("MEMBER", "ADD", [scoped]) + list("PRESENTER", "ADD", [scoped])),
    "MANAGE",
    (_privacy, type) => (type === "normal" ? 400 : 200),
  ),
  change(
    "remove a presenter",
    modify({}, ({ scoped }) => list("PRESENTER", "REMOVE", [scoped])),
  ),
  change("remove the presenters", modify({}, list("PRESENTER", "REPLACE", []))),
  change("disable", modify({ disabled: "true" })),
  change("enable", modify({ disabled: "false" }), "ADMINISTER"),
  change("enable and describe", modify({ disabled: "false", description: "different" }), "ADMINISTER"),
  change("move", (uri, { there }) => room(uri, { parent: there }), "MOVE"),
  look("msgmodify", "remove messages", "MANAGE", moderation('change="REMOVE"', '<msg chatId="4000"/>')),
  look(
    "msgmodify",
    "replace messages",
    "MANAGE",
    moderation('change="REPLACE"', '<msg chatId="4000"/><chat>other</chat>'),
  ),
  look(
    "msgmodify",
    "clear up to a moment",
    "MANAGE",
    moderation('change="CLEAR" before="2000-01-01T00:00:00Z"'),
  ),
  look("msgmodify", "clear wholly", "MANAGE", moderation('change="CLEAR"')),
  { ...look("chandelete", "delete", "ADMINISTER", (uri) => room(uri)), changes: true },
];

export const JOINING = {
  join: (uri: string) => chanid(uri),
  bjoin: (uri: string) => chanid(uri),
} as const;

/**
 * Commands that name no room, each with arguments that are right. What lists rooms is compared with the table, what concerns categories
 * too; the rest tells nothing of either.
 */
export const WITHOUT_ROOM: Readonly<Record<string, string>> = {
  requri: "",
  getserverinfo: "",
  chansrch: '<qib qtype="BYNAME" criteria=""/>',
  getassociations: '<association domain="example.com" type="MEMBER" maxResults="9"/>',
  chancreate: '<chanib name="Another" parent="ma-cat://example.com/7c1e0f5a-0000-4000-8000-000000000000"/>',
  nodespermcreatechild: "",
  getnodes: "",
  getsiops: "",
  getinv: '<inv inviteId="0" domain="example.com"/>',
  getpref: '<pref label="label" seqid="0"/>',
  setpref: '<pref label="label" seqid="0" content="YQ=="/>',
  part: room("ma-chan://example.com/00000000-0000-4000-8000-000000000000"),
};
