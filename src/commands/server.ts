import { serverInfoData, serverUriData } from "../xccos/reply.ts";
import type { CommandResult, Context } from "./context.ts";

/** `cmd:requri`: which URI carries the session. The pool's: whichever node answers the INVITE becomes its home. */
export async function requri({ session, services }: Context): Promise<CommandResult> {
  if (session.purpose === "unknown") session.purpose = "lookup";
  return { data: serverUriData(services.pool.poolUri) };
}

/** `cmd:getserverinfo`: limits and names of this pool. */
export async function serverInfo({ services }: Context): Promise<CommandResult> {
  const { limits, pool, clock } = services;
  return {
    data: serverInfoData({
      serverTimeMs: clock.nowMs(),
      searchLimit: limits.searchLimit,
      messageSizeLimitBytes: limits.messageBytes,
      storySizeLimitBytes: limits.storyBytes,
      rootUri: pool.rootCategoryUri,
      dbVersion: pool.storeId,
      displayName: pool.displayName,
      roomManagementUrl: pool.roomManagementUrl,
    }),
  };
}
