import { openStores } from "../../src/store/mysql/stores.ts";
import type { DemoRoomPlan, DemoSetup } from "./demo-setup.ts";
import type { Stack } from "./stack-options.ts";

/** The administrator's side of a running stack. */
export async function openDemoSetup(stack: Stack): Promise<DemoSetup> {
  const category = "Operations";
  const stores = await openStores({
    url: stack.mysqlUrl,
    domain: stack.domain,
    compliance: false,
    connections: 1,
  });
  const { administration } = stores;
  const ensureCategory = async (): Promise<void> => {
    const known = await administration.listCategories();
    if (known.some(({ name }) => name === category)) return;
    await administration.addCategory({
      name: category,
      description: "Demonstration",
      allowed: [stack.domain],
    });
  };
  const addRoles = async (roomId: number, { members, managers }: DemoRoomPlan): Promise<void> => {
    for (const uri of members) await administration.addRole(roomId, uri, "member");
    for (const uri of managers) await administration.addRole(roomId, uri, "manager");
  };
  return {
    allowUser: async ({ uri, displayName }) => {
      await administration.addUser({ uri, displayName, enabled: true });
    },
    ensureRoom: async (plan) => {
      await ensureCategory();
      const known = (await administration.findRooms({ words: plan.name }, 1_000)).find(
        ({ name }) => name === plan.name,
      );
      if (known) return known.uri;
      const { name, description, privacy } = plan;
      const room = await administration.addRoom({ name, description, privacy, category });
      await addRoles(room.id, plan);
      return room.uri;
    },
    close: () => stores.close(),
  };
}
