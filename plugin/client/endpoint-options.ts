import type { FixedNames } from "./chat-dialog.ts";
import { createIdSource, plainBehaviour, type Quirks, sipeQuirks } from "./identity.ts";
import type { SipHeader } from "./sip-message.ts";
import type { SipTransport } from "./sip-transport.ts";
import type { Profile } from "./user-agent.ts";
import type { ChatCopy } from "./xccos-body.ts";

export interface EndpointOptions {
  readonly host: string;
  readonly port: number;
  /** Default "tcp". */
  readonly transport?: SipTransport;
  /** TLS: accept a self-signed certificate. Default false. */
  readonly anyCertificate?: boolean;
  readonly localAddress?: string;
  /** Local port to connect from; any free one when absent. */
  readonly localPort?: number;
  /** "sip:alice@example.com" */
  readonly address: string;
  readonly displayName?: string;
  /** Digest user name; default: the address without "sip:". */
  readonly username?: string;
  readonly password?: string;
  /** On every request, as a proxy between the client and the server would put them there. */
  readonly headers?: readonly SipHeader[];
  /** Endpoint id; default random, null leaves it out. */
  readonly epid?: string | null;
  /** true: behave like stock pidgin-sipe 1.25 in every known respect; or single quirks. */
  readonly sipe?: boolean | Partial<Quirks>;
  /** Makes every random name repeatable: two clients with one seed use the same Call-IDs, tags and envids. */
  readonly seed?: number;
  /** Names of every chat dialog (the lookup's Call-ID gets "lookup-" in front). */
  readonly fixed?: FixedNames;
  /** First envid; default random (or from the seed). */
  readonly envidStart?: number;
  /** Default of every wait: for a SIP response, and again for the reply to a command. Default 5000. */
  readonly timeoutMs?: number;
  /** Newest messages and notices kept, each. Default 10,000; 0 for load generators. */
  readonly keep?: number;
  /**
   * "parse" (default) reads every body as XML and checks it whole; "scan" finds the fields of live copies by
   * search (about ten times cheaper), still checks the SIP side and the numbers.
   */
  readonly bodies?: "parse" | "scan";
  /** Called for every live copy, before waits are woken. */
  readonly onCopy?: (copy: ChatCopy) => void;
}

export interface SignInOptions {
  /** False: no REGISTER (the connection then has to prove the user by a challenge of the INVITE). Default true. */
  readonly register?: boolean;
  /** False: no SUBSCRIBE; needs `poolUri`. Default true. */
  readonly provision?: boolean;
  /** False: straight to the pool dialog, without the lookup and cmd:requri. Default true. */
  readonly lookup?: boolean;
  /** Instead of the provisioned URI. */
  readonly poolUri?: string;
}

/** Stock pidgin-sipe's product token. */
const SIPE_AGENT = "Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)";

/** The quirks that the option asks for. */
export function chosenQuirks(sipe: EndpointOptions["sipe"]): Quirks {
  if (sipe === true) return sipeQuirks;
  return { ...plainBehaviour, ...(sipe === undefined || sipe === false ? {} : sipe) };
}

export function profileOf(options: EndpointOptions): Profile {
  const ids = createIdSource(options.seed);
  return {
    address: options.address,
    displayName: options.displayName,
    username: options.username ?? options.address.replace(/^sips?:/i, ""),
    password: options.password,
    epid: options.epid === null ? undefined : (options.epid ?? ids.nonce().slice(0, 12)),
    userAgent: options.sipe === true ? SIPE_AGENT : "Parlance-Client",
    quirks: chosenQuirks(options.sipe),
    ids,
    transport: options.transport ?? "tcp",
    headers: options.headers ?? [],
    timeoutMs: options.timeoutMs ?? 5000,
  };
}
