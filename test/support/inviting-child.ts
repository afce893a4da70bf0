import type { Aor } from "../../src/chat/user.ts";
import { openStores } from "../../src/store/mysql/stores.ts";

/**
 * A process that is killed when a change is committed and its invitations are not written yet: `member ROOM PRINCIPAL`,
 * `group GROUP USER`, `user ADDRESS` (his first sign-in).
 */
const [url = "", what, first = "", second = ""] = process.argv.slice(2);
const die = () => process.kill(process.pid, "SIGKILL");
const stores = await openStores({ url, domain: "example.com", compliance: true, onChanged: die });
const { administration, database, users } = stores;
if (what === "member") await administration.addRole(first, second, "member");
else if (what === "group") await administration.addToGroup(first, [second]);
else {
  // Nobody is told of a first sign-in: it ends when its transaction does.
  const together = database.transaction.bind(database);
  database.transaction = async (work) => {
    const result = await together(work);
    die();
    return result;
  };
  await users.find(first as Aor); // in lower case
}
