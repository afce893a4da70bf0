/**
 * What is known of the database `mgc` of Lync Server 2013 and Skype for Business 2015, after Microsoft's published schema reference
 * (learn.microsoft.com/skypeforbusiness/schema-reference/persistent-chat-database-schema). Only this file knows names and numbers of it.
 * How sure it is stands beside each: published (stands in the reference), inferred (follows from it), guessed.
 */

/** Columns in their published order, for INSERTs that name none. */
export const TABLES = {
  tblNode: [
    "nodeID",
    "nodeGuid",
    "parentID",
    "nodeType",
    "nodeName",
    "nodeDesc",
    "invite",
    "logged",
    "filePost",
    "disabled",
    "behavior",
    "visibility",
    "siopID",
    "nodeAddedBy",
    "nodeAddedOn",
    "nodeUpdatedBy",
    "nodeUpdatedOn",
    "purgedOn",
  ],
  tblChat: ["channelId", "chatId", "chatDate", "userId", "isAlert", "content", "rtf"],
  tblLastChatId: ["nodeID", "lastChatID"],
  tblPrincipal: [
    "prinID",
    "prinGuid",
    "prinUri",
    "prinName",
    "prinDisplayName",
    "prinCompanyName",
    "prinEmail",
    "prinADPath",
    "prinADUserPrincipalName",
    "prinDisabled",
    "prinTypeID",
    "prinPoolID",
    "prinPolicyID",
    "prinAddedBy",
    "prinAddedOn",
    "prinUpdatedBy",
    "prinUpdatedOn",
    "prinVerifiedOn",
  ],
  tblPrincipalAffiliations: ["principalID", "affiliationID", "index", "updatedBy"],
  tblPrincipalRole: ["prinRoleNodeID", "prinRolePrinID", "prinRoleTypeID", "prinRoleUpdatedBy"],
  tblRoleType: ["rtypeID", "rtypeDesc", "rtypeAllowedPermSet"],
  tblScopePrincipal: ["scopeNodeID", "scopePrinID", "scopeIsDenied", "scopeUpdatedBy"],
  tblSiopWhiteList: ["siopID", "siopName", "siopUrl"],
  tblPrincipalInvites: ["prinID", "invID", "nodeID", "createdOn"],
} as const; // published, the order as listed (guessed for the order in the database itself)

export type Table = keyof typeof TABLES;

/** Without these there is nothing to import. The others may be missing, which is said in the report. */
export const NEEDED: readonly Table[] = ["tblNode", "tblPrincipal"];

/** Published: tblPrincipalType. 8 is called "DC", and is an Active Directory domain (inferred). */
export const PRINCIPAL_TYPE: Readonly<Record<number, "system" | "user" | "domain" | "group" | "folder">> = {
  4: "system",
  5: "user",
  8: "domain",
  9: "group",
  10: "folder",
};

/** Published: tblNode.visibility. */
export const VISIBILITY: Readonly<Record<number, "secret" | "closed" | "open">> = {
  2: "secret",
  3: "closed",
  6: "open",
};

/** Published: tblNode.behavior 4 normal, 5 auditorium. */
export const AUDITORIUM = 5;
export const NORMAL = 4;

/**
 * Words in tblRoleType.rtypeDesc (published, without their numbers: those are read from the table), and the bits of
 * rtypeAllowedPermSet that tell the roles apart, the first that is set (published) for descriptions in another language (guessed).
 */
export const ROLE_WORDS = [
  { role: "presenter", word: /^(voiced|presenter)/i, bit: 12n },
  { role: "manager", word: /^manager/i, bit: 2n },
  { role: "member", word: /^member/i, bit: 7n },
  { role: "creator", word: /^creator/i, bit: 4n },
] as const;
export type MgcRole = (typeof ROLE_WORDS)[number]["role"];

/** "Time stamp": ticks of 100 ns since 0001-01-01 (published sample queries: fnTicksToDate), in UTC (inferred). */
export const TICKS_AT_1970 = 621_355_968_000_000_000n;
export const TICKS_PER_MS = 10_000n;

/** Published: a user's own row among the affiliations. */
export const SELF_AFFILIATION = -1;

/** Published: files are represented as such links in the text; their grammar is not. */
export const FILE_LINK = /ma-filelink:/i;
