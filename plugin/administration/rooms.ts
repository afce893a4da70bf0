import type { Room } from "../../src/chat/room.ts";
import type { RoomWishes } from "../../src/management/administration.ts";
import { SHOWN_OF_A_LIST } from "../../src/store/mysql/administration-view.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand, Values } from "../configured.ts";
import { allPages, given, list, oneOf, onOff, remark, text, verb, wholeNumber } from "../verb.ts";

const PRIVACY = ["open", "closed", "secret"] as const;
const TYPE = ["normal", "auditorium"] as const;
const SETTINGS = ["category", "privacy", "type", "description", "invitations", "add-in"];
const SETTINGS_USAGE =
  "[--privacy open|closed|secret] [--type normal|auditorium] [--description TEXT] [--invitations inherit|never] [--add-in NAME|none]";

const FILTERS = [
  "text",
  "category",
  "member",
  "manager",
  "participant",
  "privacy",
  "type",
  "invitations",
  "add-in",
];
const MB = 1_000_000;
const STATES = ["yes", "no"] as const;
/** Options that give a list as a whole, each with the role. */
const LISTS = { members: "member", managers: "manager", presenters: "presenter" } as const;
const LISTS_USAGE = "[--members ADDRESS,…] [--managers ADDRESS,…] [--presenters ADDRESS,…]";

export const roomCommands: Readonly<Record<string, CliCommand>> = {
  "room create": verb(
    "create a room, closed and normal unless said otherwise: only its members enter",
    `parlance room create NAME --category NAME ${SETTINGS_USAGE} ${LISTS_USAGE} [--disabled] [--json]`,
    ["NAME"],
    [...SETTINGS, ...Object.keys(LISTS)],
    async ({ administration }, [name = ""], values) => {
      const { category, ...wishes } = wishesOf(values);
      if (category === undefined)
        throw new UsageError("--category is missing: every room hangs under one; see parlance category list");
      const disabled = values.disabled === true ? { disabled: true } : {};
      const room = await administration.addRoom({ ...wishes, ...disabled, name, category });
      if (values["dry-run"] === true) return undefined; // its address would be another one
      return [{ room: room.name, uri: room.uri }];
    },
    {
      aliases: ["room add", "room new"],
      switches: ["disabled"],
      rehearsed: true,
      details: [
        'e.g. parlance room create "Night Shift" --category Operations --description "What happened while the others slept"',
        "e.g. parlance room create Incidents --category Operations --privacy secret --type auditorium",
      ],
    },
  ),
  "room change": verb(
    "change what is given of a room; its participants are told, and who may no longer be in it is out",
    `parlance room change ROOM [--name NEW] [--category NAME] ${SETTINGS_USAGE} ${LISTS_USAGE} [--disabled yes|no] [--json]`,
    ["ROOM"],
    ["name", "disabled", ...SETTINGS, ...Object.keys(LISTS)],
    async ({ administration }, [room = ""], values) => {
      const disabled = oneOf(values.disabled, STATES, "--disabled");
      const change: RoomWishes = {
        ...wishesOf(values),
        ...given({
          name: text(values.name),
          disabled: disabled === undefined ? undefined : disabled === "yes",
        }),
      };
      if (Object.keys(change).length === 0)
        throw new UsageError('nothing to change is given; "parlance room change --help" says what can be');
      await administration.changeRoom(room, change);
      return undefined;
    },
    {
      aliases: ["room set"],
      rehearsed: true,
      details: [
        'e.g. parlance room change "Night Shift" --privacy open',
        'e.g. parlance room change "Night Shift" --name "Late Shift" --add-in none',
        'e.g. parlance room change "Night Shift" --members sip:alice@example.com,example.org',
        "--members, --managers, --presenters give a list as a whole; parlance member add, remove and their kin change one entry.",
        "A domain in a list stands for all its users; it must be served: parlance domain add.",
        "ROOM is a room's name, or its ma-chan:// address where several domains have the name.",
      ],
    },
  ),
  "room list": verb(
    "list rooms, those that fit every filter given",
    "parlance room list [--text WORDS] [--in-description] [--category NAME] [--member ADDRESS] [--manager ADDRESS] [--participant ADDRESS] " +
      "[--privacy open|closed|secret] [--type normal|auditorium] [--invitations on|off] [--add-in NAME] [--content-exceeds MB] " +
      "[--disabled] [--enabled] [--limit N] [--json]",
    [],
    [...FILTERS, "content-exceeds", "limit"],
    async ({ administration }, _words, values, progress) => {
      const exceeds = wholeNumber(values["content-exceeds"], "--content-exceeds", 0, 1_000_000);
      const most = wholeNumber(values.limit, "--limit", 1, 999_999_999);
      if (values.disabled === true && values.enabled === true)
        throw new UsageError(
          "--disabled and --enabled exclude each other; without both, all rooms are listed",
        );
      const filter = given({
        words: text(values.text),
        inDescription: values["in-description"] === true ? true : undefined,
        category: text(values.category),
        member: text(values.member),
        manager: text(values.manager),
        participant: text(values.participant),
        privacy: oneOf(values.privacy, PRIVACY, "--privacy"),
        type: oneOf(values.type, TYPE, "--type"),
        invitations: onOff(values.invitations, "--invitations"),
        addIn: text(values["add-in"]),
        disabled: values.disabled === true ? true : values.enabled === true ? false : undefined,
      });
      const rooms = await allPages(
        (atMost, after: Room | undefined) => administration.findRooms(filter, atMost, after),
        (room) => room,
      );
      const sizes =
        exceeds === undefined
          ? undefined
          : await administration.contentBytes(
              rooms.map(({ id }) => id),
              (done, all) => progress("messages", done, all),
            );
      return rooms
        .map(({ id, name, uri, privacy, type, disabled }) => ({
          room: name,
          uri,
          privacy,
          type,
          state: disabled ? "disabled" : "in use",
          ...(sizes ? { MB: (sizes.get(id) ?? 0) / MB } : {}),
        }))
        .filter(({ MB: size }) => size === undefined || size > (exceeds ?? 0))
        .slice(0, most);
    },
    {
      aliases: ["room find"],
      switches: ["disabled", "enabled", "in-description"],
      details: [
        "--text               words in the name, with --in-description also in the description",
        "--member             who holds the role himself, by a group or by the whole domain; --manager likewise",
        "--participant        who is in the room now",
        "--content-exceeds    more than so many MB (1,000,000 bytes) of text; the messages are counted, which takes its time",
        "e.g. parlance room list --privacy secret --json",
        "e.g. parlance room list --member sip:alice@example.com --disabled",
      ],
    },
  ),
  "room show": verb(
    "show a room and who may do what in it",
    "parlance room show ROOM [--json]",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""]) => {
      const { room, category, lastNumber, audit, roles, counts } = await administration.inspectRoom(name);
      for (const [role, count] of counts)
        if (count > SHOWN_OF_A_LIST)
          remark(
            `of ${count} ${role}s the first ${SHOWN_OF_A_LIST} are shown; parlance ${role} list has them all`,
          );
      const about = {
        room: room.name,
        uri: room.uri,
        category,
        privacy: room.privacy,
        type: room.type,
        state: room.disabled ? "disabled" : "in use",
        invitations: room.invitations ? "on" : "off",
        "add-in": room.addIn?.name ?? "",
        messages: lastNumber,
        created: `${new Date(audit.createdMs).toISOString()}${by(audit.createdBy)}`,
        changed:
          audit.updatedMs === null ? "" : `${new Date(audit.updatedMs).toISOString()}${by(audit.updatedBy)}`,
        description: room.description,
      };
      return roles.length === 0
        ? [{ ...about, role: "", who: "" }]
        : roles.map(({ uri, role }) => ({ ...about, role, who: uri }));
    },
    { aliases: ["room get"], details: ['e.g. parlance room show "Night Shift" --json'] },
  ),
  "room disable": verb(
    "close a room: everybody is out, nothing is shown, nothing is lost",
    "parlance room disable ROOM",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""]) => {
      await administration.setRoomDisabled(name, true);
      return undefined;
    },
    { rehearsed: true, details: ['e.g. parlance room disable "Night Shift"'] },
  ),
  "room enable": verb(
    "open a disabled room again",
    "parlance room enable ROOM",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""]) => {
      await administration.setRoomDisabled(name, false);
      return undefined;
    },
    { rehearsed: true, details: ['e.g. parlance room enable "Night Shift"'] },
  ),
  "room delete": verb(
    "delete a room with its lists and messages, for good; the archive keeps what it has recorded",
    "parlance room delete ROOM [--dry-run] [--json]",
    ["ROOM"],
    [],
    async ({ administration }, [name = ""], values) => {
      const { room, category, lastNumber, counts } = await administration.inspectRoom(name);
      await administration.removeRoom(room.id);
      const roles = [...counts.values()].reduce((sum, count) => sum + count, 0);
      const done = values["dry-run"] === true ? "would be deleted" : "deleted";
      return [{ room: room.name, uri: room.uri, category, messages: lastNumber, roles, done }];
    },
    {
      aliases: ["room remove"],
      rehearsed: true,
      details: [
        'e.g. parlance room delete "Night Shift" --dry-run',
        "To close a room without losing anything: parlance room disable",
      ],
    },
  ),
};

const by = (who: string) => (who === "" ? "" : ` by ${who}`);

function wishesOf(values: Values) {
  const invitations = oneOf(values.invitations, ["inherit", "never"] as const, "--invitations");
  const addIn = text(values["add-in"]);
  const roles = Object.entries(LISTS).flatMap(([option, role]) => {
    const principals = list(values[option]);
    return principals ? [{ role, change: "replace" as const, principals }] : [];
  });
  return given({
    category: text(values.category),
    description: text(values.description),
    privacy: oneOf(values.privacy, PRIVACY, "--privacy"),
    type: oneOf(values.type, TYPE, "--type"),
    invitations: invitations === undefined ? undefined : invitations === "inherit",
    addIn: addIn === "none" ? null : addIn,
    roles: roles.length > 0 ? roles : undefined,
  });
}
