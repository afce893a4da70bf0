import type { Privacy } from "../../src/chat/room.ts";

/**
 * Who may do what, written by hand from Lync's rules (roles, privacy, type, disabled): the code each standing gets. 200 stands
 * for nothing but a right that the rules give.
 */
export const STANDINGS = [
  "stranger",
  "denied",
  "scoped",
  "creator",
  "member",
  "presenter",
  "manager",
  "both",
  "admin",
] as const;
export type Standing = (typeof STANDINGS)[number];

type Codes = Readonly<Record<Privacy, string>>;
interface Rights {
  readonly enabled: Codes;
  readonly disabled: Codes;
}

// stranger: out of the category's scope · denied: allowed, a member and a manager, but denied by the category · scoped: in scope
// creator: of the category · presenter: member, presents in auditoriums · both: member and manager · admin: of the pool, in no list

const HIDDEN_WHEN_DISABLED: Codes = {
  //       stranger denied scoped creator member presenter manager both admin
  open: "  403      403    410    410     410    410       410     410  410",
  closed: "403      403    410    410     410    410       410     410  410",
  secret: "404      404    404    404     410    410       410     410  410",
};
const KEPT_BY_MANAGERS_WHEN_DISABLED: Codes = {
  open: "  403      403    410    410     410    410       200     200  200",
  closed: "403      403    410    410     410    410       200     200  200",
  secret: "404      404    404    404     410    410       200     200  200",
};

/** Joining, reading, and posting in a normal room. */
const TAKE_PART: Rights = {
  enabled: {
    open: "  403      403    200    200     200    200       200     200  403",
    closed: "403      403    403    403     200    200       403     200  403",
    secret: "404      404    404    404     200    200       403     200  403",
  },
  disabled: HIDDEN_WHEN_DISABLED,
};
/** Posting in an auditorium. */
const PRESENT: Rights = {
  enabled: {
    open: "  403      403    403    403     403    200       403     403  403",
    closed: "403      403    403    403     403    200       403     403  403",
    secret: "404      404    404    404     403    200       403     403  403",
  },
  disabled: HIDDEN_WHEN_DISABLED,
};
/** The room's card: properties, managers, the own rights; being found. */
const SEE: Rights = {
  enabled: {
    open: "  403      403    200    200     200    200       200     200  200",
    closed: "403      403    200    200     200    200       200     200  200",
    secret: "404      404    404    404     200    200       200     200  200",
  },
  disabled: KEPT_BY_MANAGERS_WHEN_DISABLED,
};
/** Settings and lists, and disabling. */
const MANAGE: Rights = {
  enabled: {
    open: "  403      403    403    403     403    403       200     200  200",
    closed: "403      403    403    403     403    403       200     200  200",
    secret: "404      404    404    404     403    403       200     200  200",
  },
  disabled: KEPT_BY_MANAGERS_WHEN_DISABLED,
};
/** Enabling and deleting. */
const ADMINISTER: Rights = {
  enabled: {
    open: "  403      403    403    403     403    403       403     403  200",
    closed: "403      403    403    403     403    403       403     403  200",
    secret: "404      404    404    404     403    403       403     403  200",
  },
  disabled: {
    open: "  403      403    410    410     410    410       403     403  200",
    closed: "403      403    410    410     410    410       403     403  200",
    secret: "404      404    404    404     410    410       403     403  200",
  },
};
/** To a category in which "creator" and "both" are creators. */
const MOVE: Rights = {
  enabled: {
    open: "  403      403    403    403     403    403       403     200  200",
    closed: "403      403    403    403     403    403       403     200  200",
    secret: "404      404    404    404     403    403       403     200  200",
  },
  disabled: {
    open: "  403      403    410    410     410    410       403     200  200",
    closed: "403      403    410    410     410    410       403     200  200",
    secret: "404      404    404    404     410    410       403     200  200",
  },
};

export const RIGHTS = { TAKE_PART, PRESENT, SEE, MANAGE, ADMINISTER, MOVE } as const;

/** Making a room in the category. One that nobody may know of is answered like one that does not exist. */
export const CREATE = "404 404 403 200 403 403 403 403 200";

/** Where "my rooms" lists a room, enabled ones only. */
export const ASSOCIATED: Readonly<Record<"MEMBER" | "MANAGER", readonly Standing[]>> = {
  MEMBER: ["member", "presenter", "both"],
  MANAGER: ["manager", "both"],
};

export function codeOf(row: string, standing: Standing): number {
  return Number(row.trim().split(/\s+/)[STANDINGS.indexOf(standing)]);
}
