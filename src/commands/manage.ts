import { managementCommands } from "../xccos/names.ts";
import type { Context } from "./context.ts";
import {
  addIns,
  categories,
  creatable,
  participants,
  permissions,
  principals,
  roles,
} from "./manage-lists.ts";
import { changeRoom, createRoom, deleteRoom, showRoom } from "./manage-rooms.ts";
import { moderate } from "./moderate.ts";

/** Room management, as the protocol's table has it. Who may do what is decided inside, by `src/management`. */
export const MANAGEMENT_COMMANDS = {
  [managementCommands.createRoom]: { needs: "enabled user", handler: createRoom },
  [managementCommands.changeRoom]: { needs: "enabled user", handler: changeRoom },
  [managementCommands.deleteRoom]: { needs: "enabled user", handler: deleteRoom },
  [managementCommands.roomInfo]: { needs: "enabled user", handler: showRoom },
  [managementCommands.roles]: { needs: "enabled user", handler: roles },
  [managementCommands.permissions]: { needs: "enabled user", handler: permissions },
  [managementCommands.participants]: { needs: "enabled user", handler: participants },
  [managementCommands.creatable]: {
    needs: "enabled user",
    handler: (_command: unknown, context: Context) => creatable(context),
  },
  [managementCommands.categories]: {
    needs: "enabled user",
    handler: (_command: unknown, context: Context) => categories(context),
  },
  [managementCommands.addIns]: {
    needs: "enabled user",
    handler: (_command: unknown, context: Context) => addIns(context),
  },
  [managementCommands.principals]: { needs: "enabled user", handler: principals },
  [managementCommands.moderate]: { needs: "enabled user", handler: moderate },
} as const;
