/**
 * Every name, id and number of the wire that a recorded session does not settle, in one place, each with how
 * sure it is:
 *   seen       in real traffic or in a client's source
 *   likely     as [MS-XCCOSIP] is remembered to say, or as Microsoft's published role and database tables imply
 *   uncertain  our own choice for something that must exist under some name
 * Change a name here and nowhere else.
 */

/** Confidence: seen. */
export const XCCOS_NAMESPACE = "urn:parlano:xml:ns:xccos";

/** Names of replies that differ from the name of the command; every other reply has its command's name. */
export const replyNames: ReadonlyMap<string, string> = new Map([
  ["getserverinfo", "getservinfo"], // likely; "getserverinfo" is possible
  ["getfutok", "getftok"], // seen
  ["getfdtok", "getftok"], // seen
]);

/** Ids of the commands of room management, without "cmd:". What each must carry is known from Microsoft's SDK, its name is not. */
export const managementCommands = {
  createRoom: "chancreate", // likely
  changeRoom: "chanmodify", // likely
  deleteRoom: "chandelete", // uncertain
  roomInfo: "getchan", // uncertain
  roles: "getroles", // uncertain
  permissions: "getperms", // uncertain
  participants: "getparts", // uncertain
  creatable: "nodespermcreatechild", // seen
  categories: "getnodes", // uncertain
  addIns: "getsiops", // uncertain
  principals: "usrsrch", // uncertain
  moderate: "msgmodify", // uncertain
} as const;

/** Elements and attributes of room management. Confidence: uncertain, where nothing else is said. */
export const managementNames = {
  /** Category information block, in the reply to `nodespermcreatechild`. */
  category: "catib",
  /** Role information block: a list of a room, `type` and what happens to it. */
  roleList: "rib",
  roleType: "type",
  roleChange: "change",
  /** A registered add-in: the database column is siopID. */
  addIn: "siop",
  addInName: "siopname", // likely; chanib
  addInUrl: "siopurl", // likely; chanib
  /** The room's version: a change made for another one is refused with 409. */
  version: "version",
  /** Kind of a principal: USER, GROUP, DOMAIN. */
  principalType: "type",
  /** Of a list: it goes on. */
  more: "more",
  /** Of a list that is asked for: only addresses behind this one. */
  after: "after",
  invite: "invite", // catib
  filepost: "filepost", // catib
  logged: "logged", // catib
  /** Query for principals: `criteria`, `presenters`, `maxResults`; with a chanib or catib that says where. */
  principalQuery: "qib",
  presenters: "presenters",
} as const;

/** Filters of `qib` in `chansrch` beyond those seen. Confidence: uncertain. */
export const searchAttributes = {
  maxResults: "maxResults",
  category: "category",
  member: "member",
  manager: "manager",
  /** Address of somebody who is in the room now. */
  participant: "joineduser",
  disabled: "disabled",
  visibility: "visibility",
  behavior: "behavior",
  addIn: "addin",
  invite: "invite",
  /** ALL words, ANY word, or the EXACT phrase. */
  match: "match",
} as const;

export const noticeNames = {
  join: "join", // seen
  batchJoin: "bjoin", // seen
  part: "part", // seen
  invite: "invite", // likely
  roomModified: "chanmodify", // likely
  permissionModified: "permmodify", // uncertain
  kick: "kick", // uncertain
  messagesModified: "msgmodify", // uncertain; messages were removed or replaced
  filterMatch: "feed", // uncertain; a message that a filter of the receiver fits
} as const;

/** Elements and attributes of `cmd:msgmodify` and `ntc:msgmodify`; replaced messages stand there as in a history. Confidence: uncertain. */
export const moderationNames = {
  /** In a command: what to do with the `msg` in it, which have a `chatId`, and why; in its reply to how many it was done. */
  moderation: "moderation",
  change: "change",
  /** With the change CLEAR: messages before that moment go, and no `msg` is named. */
  before: "before",
  reason: "reason",
  count: "cnt",
  /** Messages that are gone, by their numbers, both included. */
  removed: "removed",
  from: "from",
  to: "to",
} as const;

/** `audit` inside `chanib`, in the reply that shows a room. Confidence: likely; format of the times uncertain. */
export const auditNames = {
  audit: "audit",
  createdBy: "createdby",
  createdOn: "createdon",
  updatedBy: "updatedby",
  updatedOn: "updatedon",
} as const;

export const infoIds = {
  participantCount: "urn:parlano:ma:info:ucnt", // seen
  visibility: "urn:parlano:ma:info:visibilty", // seen, spelt like this
  unread: "urn:parlano:ma:info:unread", // uncertain; messages the receiver has not read
} as const;

export const propIds = {
  filepost: "urn:parlano:ma:prop:filepost", // seen
  invite: "urn:parlano:ma:prop:invite", // seen
  logged: "urn:parlano:ma:prop:logged", // seen
} as const;

export const attributeNames = {
  displayName: "disname", // likely; uib
  authorDisplayName: "authdisp", // likely; grpchat, msg
  alert: "alert", // likely; grpchat, msg
  chatId: "chatId", // likely; grpchat, msg
  parent: "parent", // likely; chanib
  behavior: "behavior", // likely; chanib
  disabled: "disabled", // likely; chanib
  topic: "topic", // seen; chanib, first generation only
  createdOn: "createdOn", // uncertain; inv in a reply
  poolDisplayName: "displayName", // uncertain; sib
  roomManagementUrl: "roomManagementUrl", // uncertain; sib
} as const;

/** Inside `bcq`, and `matchCount` in the reply. All uncertain: the SDK's options show what must be on the wire, not how. */
export const searchNames = {
  text: "text",
  match: "mt",
  caseSensitive: "cs",
  author: "author",
  date: "date",
  start: "msgid",
  limit: "limit",
  backwards: "searchbkwds",
  newestFirst: "sortbkwds",
  matchCount: "matchcnt",
  exceeded: "exceeded",
} as const;

/** Values of `text@mt` in upper case. All uncertain. */
export const searchMatches: ReadonlyMap<string, "any" | "all" | "phrase"> = new Map([
  ["ANY", "any"],
  ["ALL", "all"],
  ["EXACT", "phrase"],
  ["PHRASE", "phrase"],
]);

/** `fib@key` of a room that could not be joined. Confidence: seen. */
export const FAILURE_KEY = "OPERATION_FAILED";

/**
 * Bits of `aib@key`, after Microsoft's role table. Confidence: likely. The two sums are seen: a client shows
 * the operator sign for exactly 12276.
 */
export const permissionMasks = {
  manageRoom: 1 << 2,
  joinRoom: 1 << 7,
  chat: 1 << 8,
  readHistory: 1 << 10,
  seeRoom: 1 << 11,
  chatInAuditorium: 1 << 12,
  bypassVisibility: 1 << 13,
  member: 3984,
  managerAndMember: 12276,
  presenter: 1 << 12, // added to one of the two sums, in auditorium rooms only
} as const;

/** Response codes by name. Only 200 SUCCESS_OK is seen; the others are uncertain, modelled on SIP. */
export const responseCodes = {
  SUCCESS_OK: 200,
  ERROR_INVALID_ARGUMENT: 400,
  ERROR_PERMISSION: 403,
  ERROR_NO_SUCH_NODE: 404,
  ERROR_NO_SUCH_PRINCIPAL: 404,
  ERROR_CANNOT_GET_PARTICIPANTS: 405,
  ERROR_DATA_COLLISION: 409,
  ERROR_DUPLICATE_ROOM_NAME: 409,
  ERROR_NODE_DISABLED: 410,
  ERROR_LIMIT_EXCEEDED: 413,
  ERROR_NODE_HIERARCHY: 416,
  ERROR_USER_NOT_JOINED: 480,
  ERROR_SERVER: 500,
  ERROR_MSG_NOT_SUPPORTED: 501,
  ERROR_SERVICE_UNAVAILABLE: 503,
} as const;

export type ResponseName = keyof typeof responseCodes;

/** Names of the presence document that concern rooms; [MS-PRES] §2.2.2.7.13 gives only the form of a property list. */
export const presenceNames = {
  followedRoom: "roomSetting", // seen; one instance per room
  keywordFilter: "keywordFilter", // uncertain; one instance per filter
  roomUrl: "url", // seen; property of followedRoom, and of a filter that is for one room only
  filterName: "name", // uncertain
  keywords: "keywords", // uncertain; words separated by blanks, each a match
  expires: "expires", // likely; "0" on an instance that is gone
} as const;

/** Categories that this server keeps. */
export function isPublishedCategory(name: string): boolean {
  return name === presenceNames.followedRoom || name === presenceNames.keywordFilter;
}
