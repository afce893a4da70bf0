/** What can become of a call, apart from its result. */

/** The connection ended, could not be opened, or the client was closed. */
export class ConnectionLost extends Error {
  /** True when the request had been written: the other side may have acted on it. */
  readonly sent: boolean;

  constructor(reason: string, sent: boolean, options?: ErrorOptions) {
    super(`connection lost: ${reason}`, options);
    this.name = "ConnectionLost";
    this.sent = sent;
  }
}

/** No answer within the time limit of the call, waiting in the queue included. */
export class CallTimedOut extends Error {
  /** True when the request had been written: the other side may still act on it. */
  readonly sent: boolean;

  constructor(timeoutMs: number, sent: boolean) {
    super(`no answer within ${timeoutMs} ms`);
    this.name = "CallTimedOut";
    this.sent = sent;
  }
}

/** The queue is full; nothing has been sent. */
export class QueueFull extends Error {
  constructor(limit: number) {
    super(`${limit} calls are waiting already`);
    this.name = "QueueFull";
  }
}

/** The other side refused the call. */
export class RemoteError extends Error {
  /** JSON-RPC error code, or the HTTP status when there was none. */
  readonly code: number;
  readonly httpStatus: number;

  constructor(code: number, message: string, httpStatus: number) {
    super(message);
    this.name = "RemoteError";
    this.code = code;
    this.httpStatus = httpStatus;
  }
}
