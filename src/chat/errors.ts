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
  constructor(code: ChatErrorCode, options?: { cause?: unknown }) {
    super(CHAT_ERRORS[code].text, options);
    this.name = "ChatError";
    this.code = code;
  }
}
