/**
 * Every refusal, once. `status` is what a refused post gets as SIP answer, `code` what a refused command gets in its
 * reply; both say the same thing to different readers.
 */
export const CHAT_ERRORS = {
  BAD_REQUEST: {
    status: 400,
    code: 400,
    name: "ERROR_INVALID_ARGUMENT",
    text: "The request is not understood",
  },
  NOT_ENABLED: {
    status: 403,
    code: 403,
    name: "ERROR_PERMISSION",
    text: "Persistent chat is not enabled for you",
  },
  NOT_PERMITTED: {
    status: 403,
    code: 403,
    name: "ERROR_PERMISSION",
    text: "You may not do this in this room",
  },
  LISTENER_ONLY: {
    status: 403,
    code: 403,
    name: "ERROR_PERMISSION",
    text: "Only presenters post in this auditorium",
  },
  NOT_JOINED: { status: 403, code: 480, name: "ERROR_USER_NOT_JOINED", text: "Join the room first" },
  WRONG_AUTHOR: { status: 403, code: 403, name: "ERROR_PERMISSION", text: "The author is not you" },
  ROOM_NOT_FOUND: { status: 404, code: 404, name: "ERROR_NO_SUCH_NODE", text: "There is no such room" },
  CATEGORY_NOT_FOUND: {
    status: 404,
    code: 404,
    name: "ERROR_NO_SUCH_NODE",
    text: "There is no such category",
  },
  PRINCIPAL_NOT_FOUND: {
    status: 404,
    code: 404,
    name: "ERROR_NO_SUCH_PRINCIPAL",
    text: "There is no such user, group or domain",
  },
  ADD_IN_NOT_FOUND: {
    status: 404,
    code: 404,
    name: "ERROR_INVALID_ARGUMENT",
    text: "There is no such add-in",
  },
  NOT_LARGE: {
    status: 405,
    code: 405,
    name: "ERROR_CANNOT_GET_PARTICIPANTS",
    text: "The room is not large: its participants are known from joining it",
  },
  COLLISION: {
    status: 409,
    code: 409,
    name: "ERROR_DATA_COLLISION",
    text: "Somebody else changed it meanwhile, please look again",
  },
  NAME_TAKEN: {
    status: 409,
    code: 409,
    name: "ERROR_DUPLICATE_ROOM_NAME",
    text: "A room or category has this name already",
  },
  NOT_EMPTY: {
    status: 409,
    code: 409,
    name: "ERROR_INVALID_ARGUMENT",
    text: "It is still in use",
  },
  OUT_OF_SCOPE: {
    status: 403,
    code: 403,
    name: "ERROR_PERMISSION",
    text: "The category does not allow one of these users, groups or domains",
  },
  PRESENTER_NOT_MEMBER: {
    status: 403,
    code: 403,
    name: "ERROR_PERMISSION",
    text: "A presenter must be a member",
  },
  NOT_UNDER_ROOT: {
    status: 416,
    code: 416,
    name: "ERROR_NODE_HIERARCHY",
    text: "A room hangs under a category, never directly under the root",
  },
  ROOM_DISABLED: { status: 410, code: 410, name: "ERROR_NODE_DISABLED", text: "The room is disabled" },
  DATA_COLLISION: {
    status: 409,
    code: 409,
    name: "ERROR_DATA_COLLISION",
    text: "It has been changed meanwhile: fetch it again first",
  },
  MESSAGE_TOO_LONG: { status: 413, code: 413, name: "ERROR_LIMIT_EXCEEDED", text: "The message is too long" },
  LIMIT_EXCEEDED: {
    status: 413,
    code: 413,
    name: "ERROR_LIMIT_EXCEEDED",
    text: "Too many items in one request",
  },
  NOT_SUPPORTED: { status: 501, code: 501, name: "ERROR_MSG_NOT_SUPPORTED", text: "Not supported" },
  OVERLOADED: { status: 503, code: 503, name: "ERROR_SERVICE_UNAVAILABLE", text: "Busy, please try again" },
  STORE_DOWN: {
    status: 503,
    code: 503,
    name: "ERROR_SERVICE_UNAVAILABLE",
    text: "The database is not available, please try again",
  },
  TOO_LATE: {
    status: 503,
    code: 503,
    name: "ERROR_SERVICE_UNAVAILABLE",
    text: "Not handled in time, please try again",
  },
  INTERNAL: { status: 500, code: 500, name: "ERROR_SERVER", text: "Server error" },
} as const;

export type ChatErrorCode = keyof typeof CHAT_ERRORS;

/** The user's fault, or a condition the user must know of. Anything else that is thrown is ours. */
export class ChatError extends Error {
  readonly code: ChatErrorCode;
  /** @param options.detail a whole sentence in place of the table's; only of what the asker has said or may know */
  constructor(code: ChatErrorCode, options?: { cause?: unknown; detail?: string }) {
    super(options?.detail ?? CHAT_ERRORS[code].text, options);
    this.name = "ChatError";
    this.code = code;
  }
}
