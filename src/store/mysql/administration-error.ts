export type AdministrationErrorCode = "NAME_TAKEN" | "NOT_FOUND" | "INVALID" | "OUT_OF_SCOPE";

/** Something the administrator has to decide differently; the message is a whole sentence that says what. */
export class AdministrationError extends Error {
  readonly code: AdministrationErrorCode;
  constructor(code: AdministrationErrorCode, message: string) {
    super(message);
    this.name = "AdministrationError";
    this.code = code;
  }
}
