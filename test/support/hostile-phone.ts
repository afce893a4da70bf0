import type { Lab } from "./lab.ts";
import { type SipLines, sipStream, type Wire } from "./sip-lines.ts";
import { until } from "./until.ts";

/** A request taken apart so that a test can spoil any piece of it. */
export interface Draft {
  start: string;
  /** Header lines without line ends. */
  lines: string[];
  body: string | Buffer;
}

/** A user of the system who sends whatever he likes over connections that have proven who he is. */
export interface HostilePhone {
  /**
   * An INVITE to the pool, after `spoil`.
   * @returns the final answer, or "none" when nothing comes while the proxy answers what was sent after it, or "closed"
   */
  invite(spoil: (draft: Draft) => void): Promise<Wire | "none" | "closed">;
  /** Call-ID of the last draft, unless it was spoilt. */
  readonly lastCallId: string;
  readonly lastTag: string;
  lines(): SipLines;
  end(): void;
}

/** Replaces (or adds) a header of the draft. */
export function header(name: string, value: string): (draft: Draft) => void {
  return ({ lines }) => {
    const at = lines.findIndex((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    if (at < 0) lines.push(`${name}: ${value}`);
    else lines[at] = `${name}: ${value}`;
  };
}

let drafts = 0;

/** Logs in; again by itself when the proxy has closed the connection. */
export async function hostilePhone(lab: Lab, user: string): Promise<HostilePhone> {
  let phone = await login(lab, user);
  let callId = "";
  const answered = (branch: string): Wire | undefined =>
    phone.received.find(({ status, headers }) => status >= 200 && isOf(headers.get("via") ?? "", branch));
  return {
    get lastCallId() {
      return callId;
    },
    get lastTag() {
      return `t${drafts}`;
    },
    lines: () => phone,
    end: () => phone.end(),
    async invite(spoil) {
      if (phone.closed()) phone = await login(lab, user);
      drafts += 1;
      const branch = `z9hG4bKhostile${drafts}x`;
      callId = `hostile-${drafts}-${process.pid}`;
      const draft: Draft = {
        start: `INVITE ${lab.stack.poolUri} SIP/2.0`,
        lines: [
          `Via: SIP/2.0/TCP 127.0.0.1:${phone.local.port};branch=${branch}`,
          `From: <${lab.address(user)}>;tag=t${drafts};epid=${drafts}`,
          `To: <${lab.stack.poolUri}>`,
          `Call-ID: ${callId}`,
          "CSeq: 1 INVITE",
          "Max-Forwards: 70",
          `Contact: <sip:${user}@127.0.0.1:${phone.local.port};transport=tcp>`,
        ],
        body: "",
      };
      spoil(draft);
      phone.write(encode(draft));
      // One connection is read in order: when this is answered, the draft has been read, or nobody ever will.
      const probe = `z9hG4bKprobe${drafts}x`;
      phone.write(encode(ping(lab, user, phone, probe)));
      let closedFirst = false;
      await until("an answer, or the end of the connection", () => {
        closedFirst = phone.closed();
        return (
          closedFirst || (answered(probe) !== undefined && answered(branch) !== undefined) || waited(probe)
        );
      });
      return answered(branch) ?? (closedFirst ? "closed" : "none");
    },
  };

  /** The answers of a node may take longer than the proxy's own: some time after the probe's, "none" is believed. */
  function waited(probe: string): boolean {
    const answer = answered(probe);
    if (answer === undefined) return false;
    const since = probeAnswered.get(probe) ?? performance.now();
    probeAnswered.set(probe, since);
    return performance.now() - since > NODE_ANSWER_MS;
  }
}

/** The proxy gives a node two seconds. */
const NODE_ANSWER_MS = 2_500;
const probeAnswered = new Map<string, number>();

function isOf(via: string, branch: string): boolean {
  return via.includes(`branch=${branch};`) || via.endsWith(`branch=${branch}`);
}

async function login(lab: Lab, user: string): Promise<SipLines> {
  const phone = await sipStream("127.0.0.1", lab.stack.ports.sip);
  const account = { username: `${user}@${lab.stack.domain}`, password: lab.password(user) };
  await until(`${user} logs in`, async () => {
    drafts += 1;
    const { status } = await phone.askAs(account, {
      method: "OPTIONS",
      uri: lab.stack.poolUri,
      from: `<${lab.address(user)}>;tag=l${drafts}`,
      to: `<${lab.stack.poolUri}>`,
      callId: `login-${drafts}-${process.pid}`,
      cseq: 1,
    });
    return status === 200;
  });
  return phone;
}

function ping(lab: Lab, user: string, phone: SipLines, branch: string): Draft {
  const lines = [
    `Via: SIP/2.0/TCP 127.0.0.1:${phone.local.port};branch=${branch}`,
    `From: <${lab.address(user)}>;tag=p`,
    `To: <sip:${lab.stack.domain}>`,
    `Call-ID: ${branch}`,
    "CSeq: 1 OPTIONS",
    "Max-Forwards: 70",
  ];
  return { start: `OPTIONS ${lab.stack.poolUri} SIP/2.0`, lines, body: "" };
}

/** Header bytes go out as they are (latin1). */
export function encode({ start, lines, body }: Draft): Buffer {
  const bytes = Buffer.from(body);
  const length = lines.some((line) => /^content-length:/i.test(line))
    ? []
    : [`Content-Length: ${bytes.length}`];
  return Buffer.concat([Buffer.from([start, ...lines, ...length, "", ""].join("\r\n"), "latin1"), bytes]);
}
