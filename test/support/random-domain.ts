import { ROLES, type Role } from "../../src/chat/principal.ts";
import type { Room } from "../../src/chat/room.ts";
import type { Actor } from "../../src/management/actor.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { seededRandom } from "../bench/statistics.ts";
import { putMessages } from "./search-lab.ts";

const root: Actor = { kind: "administrator", name: "root" };

const TEXTS = [
  "hello",
  "two\nlines\r\nand a third",
  "\u{1F469}\u200D\u{1F680} emoji \u{1F600}\u{1F1E9}\u{1F1EA}",
  "مرحبا עולם — right to left",
  "quotes ' \" \\ \\n ` -- ; DROP TABLE message; /* */ %s ?",
  "[STORY]A title\u2028and the story below it",
  "\u0000\u0001 control \u007f \ufeff",
  '{"type":"end"}',
  "   blanks around   ",
  "",
  "日本語の本文",
  "x".repeat(3_000),
] as const;

export interface RandomDomain {
  readonly rooms: readonly Room[];
  readonly messages: number;
}

/** A domain with a bit of everything that can be exported; the same for the same seed, but for ids and GUIDs. */
export async function fillDomain(
  stores: Stores,
  seed: number,
  { rooms: roomCount = 20, most = 80 } = {},
): Promise<RandomDomain> {
  const random = seededRandom(seed);
  const whole = (below: number) => Math.floor(random() * below);
  const pick = <T>(list: readonly T[]): T => list[whole(list.length)] as T; // lists are not empty
  const some = <T>(list: readonly T[], share: number) => list.filter(() => random() < share);
  const { administration: admin, database, management } = stores;

  const users = Array.from({ length: 25 }, (_, at) => `sip:user${at}@example.com`);
  for (const [at, uri] of users.entries())
    await admin.addUser({
      uri,
      displayName: `User \u{1F600} ${at}`,
      email: at % 3 === 0 ? null : `user${at}@mail.example.com`,
      enabled: pick([true, false, null]),
      mayCreateRooms: pick([true, false, null]),
      administrator: at === 3,
    });
  const groups = Array.from({ length: 6 }, (_, at) => `ma-grp:g${at}/ü`);
  for (const [at, uri] of groups.entries()) await admin.addGroup(uri, `Group ${at}`);
  await admin.setGroupAdministers(groups[5] ?? "", true);
  for (const [at, uri] of groups.entries()) {
    await admin.addToGroup(uri, some(users, 0.3));
    if (at > 0) await admin.addToGroup(uri, [groups[at - 1] ?? ""]);
  }
  await database.change(
    "INSERT INTO directory_group (group_id, dn) SELECT id, 'cn=g1,dc=example,dc=com' FROM principal WHERE uri = ?",
    [groups[1] ?? ""],
  );
  await database.change(
    "INSERT INTO membership (group_id, member_kind, member_id, source) SELECT m.group_id, m.member_kind, m.member_id, 'directory' " +
      "FROM membership m JOIN principal g ON g.id = m.group_id WHERE g.uri = ?",
    [groups[1] ?? ""],
  );
  await admin.setGlobalPolicy(true);
  await admin.addAddIn({ name: "Board", url: "https://board.example.com/?a=1&b=2" });

  const categories = Array.from({ length: 4 }, (_, at) => `Category ${at}`);
  for (const [at, name] of categories.entries())
    await admin.addCategory({
      name,
      description: at === 1 ? "two\nlines" : "",
      invitations: at === 2,
      fileUpload: at === 1,
      chatHistory: at !== 3,
      reading: at === 2 ? "buffered" : "strict",
      allowed: ["example.com", ...groups.slice(0, at)],
      denied: some(users, 0.1),
      creators: [],
    });
  const allowed = async (category: string) => {
    const found = await stores.changes.categories();
    const id = found.find(({ name }) => name === category)?.id ?? 0;
    const { found: eligible } = await stores.changes.eligible(id, "sip:", undefined, 100);
    return eligible.map(({ uri }) => uri);
  };

  const rooms: Room[] = [];
  let messages = 0;
  for (let at = 0; at < roomCount; at++) {
    const category = pick(categories);
    const type = pick(["normal", "normal", "auditorium"] as const);
    const room = await admin.addRoom({
      name: `Room ${at} \u{1F680}`,
      description: pick(["", "about <b>this</b>", "two\nlines"]),
      category,
      privacy: pick(["open", "closed", "secret"]),
      type,
      invitations: random() < 0.7,
      addIn: random() < 0.3 ? "Board" : null,
    });
    rooms.push(room);
    const people = await allowed(category);
    const members = some(people, 0.3);
    const wanted: Record<Role, readonly string[]> = {
      member: [...members, ...some(groups, 0.2)],
      manager: some(people, 0.1),
      presenter: type === "auditorium" ? some(members, 0.3) : [],
    };
    await admin.changeRoom(room.id, {
      roles: ROLES.map((role) => ({ role, change: "add", principals: wanted[role] })),
    });
    const count = at === 0 ? 0 : whole(most);
    const authorIds = await database.rows<{ id: number }>(
      "SELECT id FROM principal WHERE kind = 'user' ORDER BY id",
    );
    await putMessages(
      stores,
      Array.from({ length: count }, (_, index) => {
        const author = pick(authorIds);
        return {
          roomId: room.id,
          number: index + 1,
          author: "" as never,
          authorId: author.id,
          atMs: 1_700_000_000_000 + index * 60_000 + whole(60_000),
          text: pick(TEXTS),
        };
      }),
    );
    messages += count;
    await database.change(
      "UPDATE message SET alert = number % 7 = 0, rtf = IF(number % 5 = 0, CONCAT('{\\\\rtf1 ', text, '}'), NULL) WHERE room_id = ?",
      [room.id],
    );
    const reason = "a test";
    const by = { id: room.id };
    if (count > 20) {
      const changed = { filter: { numbers: [11, 12] }, reason };
      await management.moderateMessages(root, by, { ...changed, replacement: "replaced \u{1F600}" });
      await management.moderateMessages(root, by, {
        filter: { numbers: [5, 17, count] },
        reason,
        replacement: null,
      });
      messages -= 3;
    }
    if (at % 5 === 4 && count > 20) {
      await management.clearRoom(root, by, { reason, beforeMs: 1_700_000_000_000 + 8 * 60_000 });
      messages -= 7;
    }
    if (at % 6 === 5) await admin.setRoomDisabled(room.id, true);
  }
  return { rooms, messages };
}
