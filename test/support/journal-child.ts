import { parseArgs } from "node:util";
import { openJournalConnection } from "../../src/store/mysql/journal-connection.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";

/** Separate processes for tests of the store: `migrate`, or `hold` a room's lock in the middle of a journal transaction. */
const { values, positionals } = parseArgs({
  options: { url: { type: "string" }, incarnation: { type: "string" }, room: { type: "string" } },
  allowPositionals: true,
});
const { url = "", incarnation = "", room = "" } = values;

if (positionals[0] === "migrate") {
  process.stdout.write(`${JSON.stringify(await migrate(url))}\n`);
} else {
  const connection = await openJournalConnection(url, incarnation);
  await connection.run([
    "START TRANSACTION",
    `UPDATE incarnation SET flushes = 1 WHERE incarnation = '${incarnation}'`,
    `SELECT id FROM room WHERE id = ${Number(room)} FOR UPDATE`,
  ]);
  process.stdout.write("held\n");
  setInterval(() => {}, 1_000); // until it is ended
}
