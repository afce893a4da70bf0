/** What was wrong with a body. Machine-readable and free of anything the peer wrote, so it may be logged. */
export type XccosErrorCode =
  | "too-large"
  | "invalid-utf8"
  | "not-well-formed"
  | "doctype"
  | "processing-instruction"
  | "entity"
  | "too-deep"
  | "too-many-attributes"
  | "too-many-elements"
  | "wrong-namespace"
  | "not-xccos"
  | "no-envid"
  | "bad-envid"
  | "too-many-primitives"
  | "bad-publication";

/** What the border makes of it: not-parsable is SIP 400, wrong-namespace 415, too-large 413. */
export type XccosErrorReason = "not-parsable" | "wrong-namespace" | "too-large";

/**
 * The peer sent something that is not an XCCOS envelope. `where` is a place in the body
 * ("line 1, column 20", "xccos@envid"), never a piece of it: bodies hold message text.
 */
export class XccosError extends Error {
  readonly where: string;
  readonly code: XccosErrorCode;

  constructor(where: string, code: XccosErrorCode) {
    super(`${code} at ${where}`);
    this.name = "XccosError";
    this.where = where;
    this.code = code;
  }

  get reason(): XccosErrorReason {
    if (this.code === "wrong-namespace" || this.code === "too-large") return this.code;
    return "not-parsable";
  }
}
