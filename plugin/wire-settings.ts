import type { ChatLimits, PoolIdentity } from "../src/commands/context.ts";
import { formatCategoryUri } from "../src/xccos/uri.ts";
import type { Config } from "./config.ts";

/** Limits of the chat as the configuration has them. */
export function chatLimits(config: Config, maxReplyBytes: () => number): ChatLimits {
  return {
    messageBytes: config.chat["max-message"],
    storyBytes: config.chat["max-story"],
    searchLimit: config.chat["search-limit"],
    defaultChatHistory: config.chat["default-chat-history"],
    maxChatHistory: 500,
    maxReplyBytes,
  };
}

/** What this pool says of itself. */
export function poolIdentity(config: Config, storeId: string): PoolIdentity {
  return {
    domain: config.domain,
    poolUri: config["pool-uri"],
    displayName: config.chat["display-name"],
    rootCategoryUri: formatCategoryUri(config.domain, "root"),
    roomManagementUrl: config.chat["room-management-url"],
    storeId,
  };
}
