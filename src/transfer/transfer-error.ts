/** The files are not what they should be, or stand where they should not: one sentence with file and line. */
export class TransferError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TransferError";
  }
}
