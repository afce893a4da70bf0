import type { ChatDialog } from "./chat-dialog.ts";
import { parseAddress, tagOf } from "./sip-address.ts";
import { headerValue, type SipRequest } from "./sip-message.ts";
import type { ChatCopy, Envelope } from "./xccos-body.ts";
import { attribute, child } from "./xml-reader.ts";

/** A message number that is not one more than the last one in its room. */
export interface NumberJump {
  readonly room: string;
  readonly kind: "gap" | "repeat" | "backwards";
  readonly expected: number;
  readonly got: number;
}

/** A test that fails badly shall not fill the memory with the same complaint. */
const MAX_KEPT = 1000;

/**
 * Looks at everything the server sends and writes down what a client may not be sent
 * (docs/protocol.md: rules for the server's INFOs). Nothing here changes how the client goes on.
 */
export class ServerWatch {
  readonly violations: string[] = [];
  readonly jumps: NumberJump[] = [];
  /** False: jumps are only kept in `jumps` (a test that kills servers expects some). */
  strictNumbers = true;
  private readonly lastNumber = new Map<string, number>();

  violation(text: string): void {
    if (this.violations.length < MAX_KEPT) this.violations.push(text);
  }

  /** Headers of an INFO that claims to belong to `chat`. False: it is not of this dialog at all. */
  checkInfo(request: SipRequest, chat: ChatDialog): boolean {
    const dialog = chat.dialog;
    if (!dialog || headerValue(request, "Call-ID") !== chat.callId) return false;
    const from = headerValue(request, "From") ?? "";
    const to = headerValue(request, "To") ?? "";
    if (parseAddress(from).uri !== chat.invitedUri) {
      this.violation(`INFO: From is not the invited URI ${chat.invitedUri} as it was invited`);
    }
    if (tagOf(from) !== dialog.remoteTag)
      this.violation("INFO: From tag is not the To tag of the INVITE's 200");
    if (tagOf(to) !== dialog.localTag) this.violation("INFO: To tag is not the client's own tag");
    const number = Number.parseInt(headerValue(request, "CSeq") ?? "", 10);
    if (!(number > dialog.remoteCseq)) {
      this.violation(`INFO: CSeq ${number} after ${dialog.remoteCseq}`);
    } else dialog.remoteCseq = number;
    const type = headerValue(request, "Content-Type") ?? "";
    if (!/^text\/plain\b/i.test(type)) this.violation("INFO: Content-Type is not text/plain");
    for (const [name] of request.headers) {
      // COMPAT(pidgin-sipe, 1.25): knows no compact header names.
      if (name.length === 1) this.violation(`INFO: compact header name ${name}`);
    }
    return true;
  }

  /** Shape of a received document (docs/protocol.md, envelope). */
  checkEnvelope(envelope: Envelope): void {
    if (envelope.version !== "1") this.violation("xccos: ver is not 1");
    if (!/^\d{1,20}$/.test(envelope.envid)) this.violation("xccos: envid is not a decimal number");
    if (envelope.items.length === 0) this.violation("xccos: empty envelope");
    const chats = envelope.items.filter((item) => item.name === "grpchat").length;
    if (chats > 1) this.violation(`xccos: ${chats} grpchat in one envelope`);
    if (chats > 0 && envelope.items.length > chats)
      this.violation("xccos: grpchat mixed with other primitives");
    for (const item of envelope.items) {
      if (item.name === "grpchat") {
        for (const name of ["id", "seqid", "chanUri", "author", "ts", "chatId"]) {
          if (attribute(item, name) === "") this.violation(`grpchat: no ${name}`);
        }
        if (!child(item, "chat")) this.violation("grpchat: no chat element");
      } else if (item.name === "rpl" || item.name === "ntc") {
        if (!attribute(item, "id").startsWith(`${item.name}:`))
          this.violation(`${item.name}: id without its prefix`);
        if (!child(item, "data")) this.violation(`${item.name}: no data element`);
      }
    }
  }

  /** Live copies: numbers of a room rise by exactly one. */
  checkNumber(copy: ChatCopy): void {
    const { room, chatId: got } = copy;
    const last = this.lastNumber.get(room);
    if (last === undefined || got > last) this.lastNumber.set(room, got);
    if (last === undefined || got === last + 1) return;
    const kind = got === last ? "repeat" : got < last ? "backwards" : "gap";
    if (this.jumps.length < MAX_KEPT) this.jumps.push({ room, kind, expected: last + 1, got });
    if (this.strictNumbers) this.violation(`${room}: message ${got} after ${last} (${kind})`);
  }

  /** The next number in this room (or in all) may be any: after part, join, or a new dialog. */
  forgetNumbers(room?: string): void {
    if (room === undefined) this.lastNumber.clear();
    else this.lastNumber.delete(room);
  }

  /** Number of the last live copy in the room; 0 when there was none. */
  lastNumberIn(room: string): number {
    return this.lastNumber.get(room) ?? 0;
  }
}
