import { type Category, READING_MODES } from "../../src/chat/category.ts";
import { SCOPES } from "../../src/chat/principal.ts";
import type { CategoryChange } from "../../src/management/categories.ts";
import { SHOWN_OF_A_LIST } from "../../src/store/mysql/administration-view.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand, Values } from "../configured.ts";
import { given, list, oneOf, onOff, remark, text, verb } from "../verb.ts";

const ROOMS_SHOWN = 1_000;
const OPTIONS = [
  "allow",
  "deny",
  "creators",
  "description",
  "invitations",
  "file-upload",
  "history",
  "reading",
];
const OPTIONS_USAGE =
  "[--deny ADDRESS,…] [--creators ADDRESS,…] [--description TEXT] [--invitations on|off] [--file-upload on|off] [--history on|off] [--reading strict|buffered]";
const DETAILS = [
  "--allow     whose users can find and enter its rooms at all: users, groups, served domains (parlance domain list); the list",
  "            is given as a whole",
  "--deny      taken out of those allowed; --creators: those allowed who may create rooms here",
  "--history   off: posts are delivered and recorded for the archive, and not kept for users; turned on later it shows none of them",
  "--reading   strict: a reading is on record in the database before it is shown; buffered: on the disk of the node, and in the",
  "            database within a second",
];

export const categoryCommands: Readonly<Record<string, CliCommand>> = {
  "category create": verb(
    "create a category; --allow says whose users can find and enter its rooms at all",
    `parlance category create NAME --allow ADDRESS,DOMAIN,… ${OPTIONS_USAGE}`,
    ["NAME"],
    OPTIONS,
    async ({ administration }, [name = ""], values) => {
      await administration.addCategory({ ...wishesOf(values), name });
      return undefined;
    },
    {
      aliases: ["category add", "category new"],
      rehearsed: true,
      details: [
        "e.g. parlance category create Operations --allow example.com --creators sip:alice@example.com",
        ...DETAILS,
      ],
    },
  ),
  "category change": verb(
    "change what is given of a category; it holds for all its rooms at once",
    `parlance category change NAME [--name NEW] [--allow ADDRESS,DOMAIN,…] ${OPTIONS_USAGE}`,
    ["NAME"],
    ["name", ...OPTIONS],
    async ({ administration }, [category = ""], values) => {
      const change: CategoryChange = { ...wishesOf(values), ...given({ name: text(values.name) }) };
      if (Object.keys(change).length === 0)
        throw new UsageError(
          'nothing to change is given; "parlance category change --help" says what can be',
        );
      await administration.changeCategory(category, change);
      return undefined;
    },
    {
      aliases: ["category set"],
      rehearsed: true,
      details: [
        "e.g. parlance category change Operations --deny sip:mallory@example.com --invitations on",
        ...DETAILS,
      ],
    },
  ),
  "category list": verb(
    "list categories",
    "parlance category list [--json]",
    [],
    [],
    async ({ administration }) => (await administration.listCategories()).map(shown),
    { details: ["e.g. parlance category list --json"] },
  ),
  "category show": verb(
    "show a category: switches, who is allowed, denied and may create rooms, and its rooms",
    "parlance category show NAME [--json]",
    ["NAME"],
    [],
    async ({ administration }, [name = ""]) => {
      const { category, scopes, counts } = await administration.inspectCategory(name);
      for (const [scope, count] of counts)
        if (count > SHOWN_OF_A_LIST) remark(`of ${count} ${scope} the first ${SHOWN_OF_A_LIST} are shown`);
      const rooms = await administration.findRooms({ category: category.name }, ROOMS_SHOWN + 1);
      if (rooms.length > ROOMS_SHOWN)
        remark(`of its rooms the first ${ROOMS_SHOWN} are shown; parlance room list --category has them all`);
      return {
        category: [shown(category)],
        scope: SCOPES.flatMap((scope) =>
          scopes.filter((entry) => entry.scope === scope).map(({ uri }) => ({ scope, who: uri })),
        ),
        rooms: rooms.slice(0, ROOMS_SHOWN).map((room) => ({ room: room.name, uri: room.uri })),
      };
    },
    {
      aliases: ["category get"],
      details: [
        "e.g. parlance category show Operations",
        "Of its rooms the first 1,000 are shown; parlance room list --category has them all.",
      ],
    },
  ),
  "category delete": verb(
    "delete a category that has no rooms",
    "parlance category delete NAME [--dry-run]",
    ["NAME"],
    [],
    async ({ administration }, [name = ""], values) => {
      await administration.removeCategory(name);
      return [{ category: name, done: values["dry-run"] === true ? "would be deleted" : "deleted" }];
    },
    {
      aliases: ["category remove"],
      rehearsed: true,
      details: ["e.g. parlance category delete Operations --dry-run"],
    },
  ),
};

function shown({ name, description, chatHistory, reading, invitations, fileUpload }: Category) {
  return {
    category: name,
    description,
    history: chatHistory ? "kept" : "not kept",
    reading,
    invitations: invitations ? "on" : "off",
    "file upload": fileUpload ? "on" : "off",
  };
}

function wishesOf(values: Values) {
  return given({
    allowed: list(values.allow),
    denied: list(values.deny),
    creators: list(values.creators),
    description: text(values.description),
    invitations: onOff(values.invitations, "--invitations"),
    fileUpload: onOff(values["file-upload"], "--file-upload"),
    chatHistory: onOff(values.history, "--history"),
    reading: oneOf(values.reading, READING_MODES, "--reading"),
  });
}
