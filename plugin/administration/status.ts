import { poolStatus } from "../../src/store/mysql/status.ts";
import type { CliCommand } from "../configured.ts";
import { verb } from "../verb.ts";

export const statusCommands: Readonly<Record<string, CliCommand>> = {
  status: verb(
    "show nodes, dialogs and what waits for the archive",
    "parlance status [--json]",
    [],
    [],
    async ({ database }) => {
      const { nodes, users, rooms, outbox, handover, quarantined } = await poolStatus(database, Date.now());
      const pool = { users, rooms, outbox, handover, quarantined };
      return nodes.length === 0
        ? [{ node: "(none is running)", dialogs: 0, away: 0, ...pool }]
        : nodes.map(({ incarnation, dialogs, away }) => ({ node: incarnation, dialogs, away, ...pool }));
    },
    {
      details: [
        "dialogs   clients that are signed in at the node; away: of these, without a connection",
        "outbox    recorded events that the worker has not moved; handover: moved, not written by the adapter",
      ],
    },
  ),
};
