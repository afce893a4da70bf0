import { chanib, uib, type WireRoom } from "./blocks.ts";
import type { WireRole } from "./management-arguments.ts";
import { auditNames, managementNames, moderationNames } from "./names.ts";
import { element } from "./xml-writer.ts";

/** Somebody in a list, or who could be. */
export interface WirePrincipal {
  readonly uri: string;
  readonly displayName: string;
  readonly type: "USER" | "GROUP" | "DOMAIN";
}

/** A list of a room. */
export interface WireRoleList {
  readonly role: WireRole;
  readonly principals: readonly WirePrincipal[];
  /** It goes on: to be asked for behind the last address. */
  readonly more: boolean;
}

export interface WireCategory {
  /** `ma-cat://domain/guid` */
  readonly uri: string;
  readonly name: string;
  readonly description: string;
  readonly invite: boolean;
  readonly filepost: boolean;
  readonly logged: boolean;
}

function principal({ uri, displayName, type }: WirePrincipal): string {
  return uib({ uri, displayName }, "", undefined, { [managementNames.principalType]: type });
}

/** Who made a room and who changed it last, and when (ISO 8601 UTC); what is not known is left out. */
export interface WireAudit {
  readonly createdBy: string | undefined;
  readonly createdOn: string;
  readonly updatedBy: string | undefined;
  readonly updatedOn: string | undefined;
}

/** Data of the replies to the commands that create, change and show a room. */
export function roomInfoData(room: WireRoom, audit?: WireAudit): string {
  if (!audit) return chanib(room);
  const { createdBy, createdOn, updatedBy, updatedOn } = audit;
  return chanib(
    room,
    element(auditNames.audit, {
      [auditNames.createdBy]: createdBy,
      [auditNames.createdOn]: createdOn,
      [auditNames.updatedBy]: updatedBy,
      [auditNames.updatedOn]: updatedOn,
    }),
  );
}

/** Data of the reply to the query for a room's lists. */
export function roleData(room: WireRoom, lists: readonly WireRoleList[]): string {
  const blocks = lists.map(({ role, principals, more }) =>
    element(
      managementNames.roleList,
      { [managementNames.roleType]: role, [managementNames.more]: more ? true : undefined },
      principals.map(principal).join(""),
    ),
  );
  return chanib(room, blocks.join(""));
}

/** Data of the replies that list categories. */
export function categoryData(categories: readonly WireCategory[]): string {
  return categories
    .map(({ uri, name, description, invite, filepost, logged }) =>
      element(managementNames.category, {
        uri,
        name,
        description,
        [managementNames.invite]: invite,
        [managementNames.filepost]: filepost,
        [managementNames.logged]: logged,
      }),
    )
    .join("");
}

/** Data of the reply that lists registered add-ins. */
export function addInData(addIns: readonly { readonly name: string; readonly url: string }[]): string {
  return addIns.map(({ name, url }) => element(managementNames.addIn, { name, url })).join("");
}

/** Data of the reply to a search for principals. @param more there are others that fit */
export function principalData(principals: readonly WirePrincipal[], more: boolean): string {
  return (
    element(managementNames.principalQuery, { [managementNames.more]: more }) +
    principals.map(principal).join("")
  );
}

/** In the reply to `cmd:msgmodify`: how many messages there were to remove or replace. */
export function moderationData(messages: number): string {
  return element(moderationNames.moderation, { [moderationNames.count]: messages });
}
