import { TransferError } from "../transfer-error.ts";
import { flagOf, guidOf, neededNumber, numberOf, type Row, textOf, ticksOf } from "./row.ts";
import { type MgcRole, PRINCIPAL_TYPE, ROLE_WORDS, SELF_AFFILIATION, type Table } from "./schema.ts";

export interface MgcNode {
  readonly id: number;
  readonly guid: string;
  readonly parent: number | null;
  readonly isCategory: boolean;
  readonly name: string;
  readonly description: string;
  readonly invite: boolean | null;
  readonly logged: boolean | null;
  readonly filePost: boolean | null;
  readonly disabled: boolean;
  readonly behavior: number | null;
  readonly visibility: number | null;
  readonly addIn: string | null;
  readonly addedMs: number | null;
  readonly where: string;
}

export interface MgcPrincipal {
  readonly id: number;
  readonly guid: string | null;
  readonly uri: string;
  readonly name: string;
  readonly email: string | null;
  readonly path: string | null;
  readonly disabled: boolean;
  readonly type: (typeof PRINCIPAL_TYPE)[number] | undefined;
  readonly hasPolicy: boolean;
  readonly where: string;
}

/** Everything but the messages, by its numbers. It grows with rooms, people and their roles, not with what was said. */
export class Collected {
  readonly nodes = new Map<number, MgcNode>();
  readonly principals = new Map<number, MgcPrincipal>();
  /** Users by group. */
  readonly affiliations = new Map<number, number[]>();
  readonly roles: {
    readonly node: number;
    readonly principal: number;
    readonly type: number;
    readonly where: string;
  }[] = [];
  readonly roleTypes = new Map<number, MgcRole>();
  readonly scopes: {
    readonly node: number;
    readonly principal: number;
    readonly denied: boolean;
    readonly where: string;
  }[] = [];
  readonly addIns = new Map<
    string,
    { readonly name: string; readonly url: string; readonly where: string }
  >();
  readonly lastIds = new Map<number, number>();
  readonly seen = new Map<Table, number>();
  invites = 0;

  /** @throws {TransferError} for a row that cannot be what it says it is */
  add(row: Row): void {
    this.seen.set(row.table, (this.seen.get(row.table) ?? 0) + 1);
    switch (row.table) {
      case "tblNode":
        return this.#node(row);
      case "tblPrincipal":
        return this.#principal(row);
      case "tblPrincipalAffiliations":
        return this.#affiliation(row);
      case "tblPrincipalRole": {
        const [node, principal] = [neededNumber(row, "prinRoleNodeID"), neededNumber(row, "prinRolePrinID")];
        this.roles.push({ node, principal, type: neededNumber(row, "prinRoleTypeID"), where: row.where });
        return;
      }
      case "tblRoleType":
        return this.#roleType(row);
      case "tblScopePrincipal": {
        const [node, principal] = [neededNumber(row, "scopeNodeID"), neededNumber(row, "scopePrinID")];
        this.scopes.push({
          node,
          principal,
          denied: flagOf(row, "scopeIsDenied") ?? false,
          where: row.where,
        });
        return;
      }
      case "tblSiopWhiteList": {
        const guid = guidOf(row, "siopID");
        if (guid === null) throw new TransferError(`${row.where}: siopID is missing`);
        const [name, url] = [textOf(row, "siopName") ?? "", textOf(row, "siopUrl") ?? ""];
        this.addIns.set(guid, { name, url, where: row.where });
        return;
      }
      case "tblLastChatId":
        this.lastIds.set(neededNumber(row, "nodeID"), neededNumber(row, "lastChatID"));
        return;
      case "tblPrincipalInvites":
        this.invites += 1;
        return;
      case "tblChat":
        return; // kept elsewhere
      default:
        return row.table satisfies never;
    }
  }

  #node(row: Row): void {
    const id = neededNumber(row, "nodeID");
    const guid = guidOf(row, "nodeGuid");
    const isCategory = flagOf(row, "nodeType");
    if (guid === null || isCategory === null)
      throw new TransferError(`${row.where}: nodeGuid or nodeType is missing`);
    if (this.nodes.has(id)) throw new TransferError(`${row.where}: nodeID ${id} stands there twice`);
    this.nodes.set(id, {
      id,
      guid,
      parent: numberOf(row, "parentID"),
      isCategory,
      name: textOf(row, "nodeName") ?? "",
      description: textOf(row, "nodeDesc") ?? "",
      invite: flagOf(row, "invite"),
      logged: flagOf(row, "logged"),
      filePost: flagOf(row, "filePost"),
      disabled: flagOf(row, "disabled") ?? false,
      behavior: numberOf(row, "behavior"),
      visibility: numberOf(row, "visibility"),
      addIn: guidOf(row, "siopID"),
      addedMs: ticksOf(row, "nodeAddedOn"),
      where: row.where,
    });
  }

  #principal(row: Row): void {
    const id = neededNumber(row, "prinID");
    if (this.principals.has(id)) throw new TransferError(`${row.where}: prinID ${id} stands there twice`);
    const named = (column: string) => {
      const text = textOf(row, column)?.trim() ?? "";
      return text === "NULL" ? "" : text;
    };
    this.principals.set(id, {
      id,
      guid: guidOf(row, "prinGuid"),
      uri: named("prinUri"),
      name: named("prinDisplayName") || named("prinName"),
      email: named("prinEmail") || null,
      path: named("prinADPath") || null,
      disabled: (numberOf(row, "prinDisabled") ?? 0) !== 0,
      type: PRINCIPAL_TYPE[neededNumber(row, "prinTypeID")],
      hasPolicy: numberOf(row, "prinPolicyID") !== null,
      where: row.where,
    });
  }

  #affiliation(row: Row): void {
    const [user, group] = [neededNumber(row, "principalID"), neededNumber(row, "affiliationID")];
    if (user === group || numberOf(row, "index") === SELF_AFFILIATION) return;
    const users = this.affiliations.get(group);
    if (users) users.push(user);
    else this.affiliations.set(group, [user]);
  }

  #roleType(row: Row): void {
    const id = neededNumber(row, "rtypeID");
    const description = textOf(row, "rtypeDesc")?.trim() ?? "";
    const bits = BigInt(numberOf(row, "rtypeAllowedPermSet") ?? 0);
    const found =
      ROLE_WORDS.find(({ word }) => word.test(description)) ??
      ROLE_WORDS.find(({ bit }) => (bits & (1n << bit)) !== 0n);
    if (!found)
      throw new TransferError(`${row.where}: rtypeDesc "${description}" is none of the four known roles`);
    this.roleTypes.set(id, found.role);
  }
}
