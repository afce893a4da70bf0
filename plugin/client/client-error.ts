/** What went wrong for the client: the network, the clock, the peer's syntax, or a refusal (with its SIP status). */
export type ClientErrorKind = "connect" | "closed" | "timeout" | "syntax" | "refused" | "disabled" | "state";

/** Every failure the client reports. Carries no message text and no credentials. */
export class ClientError extends Error {
  readonly kind: ClientErrorKind;
  /** SIP status of a refusal, or 0. */
  readonly status: number;

  constructor(kind: ClientErrorKind, message: string, status = 0) {
    super(message);
    this.name = "ClientError";
    this.kind = kind;
    this.status = status;
  }
}

/**
 * Settles like `work`, or rejects with a ClientError of kind "timeout" after `timeoutMs`.
 * `work` itself goes on; its late failure is swallowed because nobody waits for it any more.
 */
export function withDeadline<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ClientError("timeout", `${what}: nothing within ${timeoutMs} ms`));
    }, timeoutMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
