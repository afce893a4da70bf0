import { randomBytes } from "node:crypto";
import type { Administration } from "../../src/store/mysql/administration.ts";

const NAME = /^Self-test (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z) [0-9a-f]{8}$/;
/** No self-test lasts that long: what is older was left behind by one that was killed. */
const LEFT_BEHIND_MS = 600_000;

/** A secret room in a category of its own, for these users only. `remove` takes both away again. */
export async function temporaryRoom(
  administration: Administration,
  users: readonly string[],
): Promise<{ readonly uri: string; readonly remove: () => Promise<void> }> {
  await removeLeftBehind(administration);
  const name = `Self-test ${new Date().toISOString().slice(0, 19)}Z ${randomBytes(4).toString("hex")}`;
  await administration.addCategory({ name, description: "Made by parlance selftest", allowed: [...users] });
  const remove = () => removeCategory(administration, name);
  try {
    const room = await administration.addRoom({ name: `${name} room`, category: name, privacy: "secret" });
    for (const uri of users) await administration.addRole(room.id, uri, "member");
    return { uri: room.uri, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function removeLeftBehind(administration: Administration): Promise<void> {
  for (const { name } of await administration.listCategories()) {
    const madeMs = Date.parse(NAME.exec(name)?.[1] ?? "");
    if (Date.now() - madeMs > LEFT_BEHIND_MS) await removeCategory(administration, name);
  }
}

async function removeCategory(administration: Administration, name: string): Promise<void> {
  for (const { id } of await administration.findRooms({ category: name }, 10))
    await administration.removeRoom(id);
  await administration.removeCategory(name);
}
