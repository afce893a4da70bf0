import type { ChatDialog } from "./chat-dialog.ts";
import { type Inbox, readNotices } from "./inbox.ts";
import type { PendingCommands } from "./pending-commands.ts";
import type { ServerWatch } from "./server-watch.ts";
import type { SipConnection } from "./sip-connection.ts";
import { headerValue, type SipRequest } from "./sip-message.ts";
import { type ChatCopy, readChat, readEnvelope, scanChat } from "./xccos-body.ts";

/** How the client answers the server's INFOs: a status, or not at all. */
export type InfoAnswer = number | "none";

/** How many INFOs arrived, and what became of them. */
export interface IncomingCounts {
  infos: number;
  /** Answered with something else than 200, or not answered, because the test wanted it: not read. */
  infosRefused: number;
  /** Of a dialog this client had and has left. */
  infosOfOldDialogs: number;
  byes: number;
}

export interface IncomingContext {
  readonly watch: ServerWatch;
  readonly inbox: Inbox;
  readonly pending: PendingCommands;
  readonly counts: IncomingCounts;
  readonly bodies: "parse" | "scan";
  /** What comes may come again: a request sent by UDP is repeated until its answer arrives. */
  readonly datagrams: boolean;
  readonly onCopy: ((copy: ChatCopy) => void) | undefined;
  /** Status for INFOs of a dialog that is over: stock clients say 487. */
  readonly oldDialogStatus: number;
  infoAnswer(): InfoAnswer;
  /** @returns the status for a NOTIFY */
  onNotification(request: SipRequest): number;
  /** The dialogs of this connection, newest first, ended ones included. */
  dialogs(): readonly ChatDialog[];
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  481: "Call/Transaction Does Not Exist",
  487: "Request Terminated",
  500: "Server Internal Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/** Everything the server may send to a chat client, answered as a client does. */
export function handleRequest(
  request: SipRequest,
  connection: SipConnection,
  context: IncomingContext,
): void {
  const answer = (status: number) => connection.answer(request, status, REASONS[status] ?? "Refused");
  switch (request.method) {
    case "INFO":
      handleInfo(request, answer, context);
      return;
    case "BYE":
      handleBye(request, context);
      answer(200);
      return;
    case "ACK":
      return;
    case "BENOTIFY":
      context.onNotification(request);
      return;
    case "NOTIFY":
      answer(context.onNotification(request));
      return;
    case "OPTIONS":
    case "UPDATE":
    case "MESSAGE":
      answer(200);
      return;
    default:
      answer(501);
  }
}

function handleInfo(request: SipRequest, answer: (status: number) => void, context: IncomingContext): void {
  const { watch, counts } = context;
  counts.infos += 1;
  const wanted = context.infoAnswer();
  const callId = headerValue(request, "Call-ID");
  const chat = context.dialogs().find((dialog) => dialog.callId === callId);
  if (!chat) {
    watch.violation("INFO: Call-ID of no dialog of this client");
    answer(481);
    return;
  }
  if (chat.ended) {
    counts.infosOfOldDialogs += 1;
    if (chat.endedByServer) watch.violation("INFO on a dialog after the server's own BYE");
    answer(context.oldDialogStatus);
    return;
  }
  // RFC 3261 §17.2.2: a repetition is answered as before and goes no further.
  if (context.datagrams && chat.hasSeen(headerValue(request, "Via") ?? "")) return answer(200);
  watch.checkInfo(request, chat);
  if (wanted !== 200) {
    counts.infosRefused += 1;
    if (wanted !== "none") answer(wanted);
    return;
  }
  answer(200);
  if (context.bodies === "scan") {
    const copy = scanChat(request.body);
    if (copy) {
      receiveCopy(copy, context);
      return;
    }
  }
  receiveDocument(request.body, context);
}

function receiveDocument(body: Buffer, context: IncomingContext): void {
  const { watch, inbox, pending } = context;
  let envelope: ReturnType<typeof readEnvelope>;
  try {
    envelope = readEnvelope(body);
  } catch (error) {
    watch.violation(`INFO: body not readable: ${error instanceof Error ? error.message : String(error)}`);
    return;
  }
  watch.checkEnvelope(envelope);
  for (const item of envelope.items) {
    if (item.name === "grpchat") receiveCopy(readChat(item), context);
    else if (item.name === "ntc") for (const notice of readNotices(item)) inbox.addNotice(notice);
    else if (item.name === "rpl") {
      const complaint = pending.take(item);
      if (complaint !== undefined) watch.violation(complaint);
    }
  }
}

function receiveCopy(copy: ChatCopy, context: IncomingContext): void {
  context.watch.checkNumber(copy);
  context.onCopy?.(copy);
  context.inbox.addMessage(copy);
}

function handleBye(request: SipRequest, { watch, counts, dialogs }: IncomingContext): void {
  counts.byes += 1;
  const callId = headerValue(request, "Call-ID");
  for (const chat of dialogs()) {
    if (chat.callId !== callId) continue;
    chat.ended = true;
    chat.endedByServer = true;
  }
  // COMPAT(pidgin-sipe, 1.25): a BYE leaves that client deaf, and the next INFO crashes it.
  watch.violation("BYE from the server");
}
