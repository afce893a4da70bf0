/** What one Kamailio of a Parlance installation has to know, and the check that it can be written safely. */

export interface HostPort {
  /** IPv4 or IPv6 address, or a host name. */
  readonly host: string;
  readonly port: number;
}

export interface EdgeNode extends HostPort {
  /** `n1`: lower-case letter, then letters and digits; the first part of the node's Contacts. */
  readonly name: string;
}

export interface EdgeSettings {
  /** Name of this Kamailio towards the nodes. */
  readonly edge: string;
  /** Secret shared with the nodes: 64 lower-case hexadecimal digits. */
  readonly key: string;
  /** Domains served, lower case; the first is the default. Also the digest realms. */
  readonly domains: readonly string[];
  /** User parts of the pool URI; `pchat` and `ocschat` when absent. */
  readonly poolUsers?: readonly string[];
  readonly sip: {
    readonly host: string;
    readonly tcpPort: number;
    readonly udpPort?: number;
    readonly tlsPort?: number;
  };
  /** Where the nodes' control requests are taken; an address of its own, 127.0.0.2 for instance. */
  readonly control: HostPort;
  readonly nodes: readonly EdgeNode[];
  /** `mysql://user:password@host:port/database` with the table `subscriber`. */
  readonly databaseUrl: string;
  /** PEM files; required with `sip.tlsPort`. */
  readonly tls?: { readonly keyFile: string; readonly certificateFile: string };
  /** Absolute path of batch.lua; copies.lua and checks.lua lie beside it. */
  readonly luaFile: string;
  /** Absolute path of the socket for `kamcmd -s unix:<path>`. */
  readonly rpcSocketFile: string;
  /** Source addresses whose P-Asserted-Identity is believed; none by default. */
  readonly peers?: readonly string[];
}

/** A setting that cannot be written into a Kamailio configuration; `setting` is its path. */
export class EdgeSettingError extends Error {
  readonly setting: string;

  constructor(setting: string, message: string) {
    super(`${setting}: ${message}`);
    this.name = "EdgeSettingError";
    this.setting = setting;
  }
}

const DOMAIN = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const NAME = /^[a-z][a-z0-9]{0,30}$/;
const EDGE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const POOL_USER = /^[a-z0-9._-]{1,64}$/;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/;
// The configuration language ends a string at a quote, knows backslash escapes and has one directive a line.
const UNWRITABLE = /["'`\\\p{Cc}]/u;

function requireMatch(setting: string, value: string, pattern: RegExp, expected: string): void {
  if (!pattern.test(value)) throw new EdgeSettingError(setting, `must be ${expected}`);
}

function requirePort(setting: string, port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new EdgeSettingError(setting, "must be a port from 1 to 65535");
}

function requireText(setting: string, value: string): void {
  if (value === "") throw new EdgeSettingError(setting, "must not be empty");
  if (UNWRITABLE.test(value))
    throw new EdgeSettingError(
      setting,
      "must not contain quotes, backslashes, line breaks or control characters",
    );
}

function requirePath(setting: string, value: string): void {
  requireText(setting, value);
  if (!value.startsWith("/")) throw new EdgeSettingError(setting, "must be an absolute path");
}

function requireSome(setting: string, values: readonly unknown[]): void {
  if (values.length === 0) throw new EdgeSettingError(setting, "must name at least one");
}

/**
 * Checks everything that ends up in the configuration file.
 * @throws EdgeSettingError naming the first setting that cannot be used; the value itself is not repeated, it
 *   may be a secret.
 */
export function checkEdgeSettings(settings: EdgeSettings): void {
  requireMatch("edge", settings.edge, EDGE_NAME, "letters, digits, dots, dashes");
  requireMatch("key", settings.key, /^[0-9a-f]{64}$/, "64 lower-case hexadecimal digits");
  requireSome("domains", settings.domains);
  for (const domain of settings.domains) requireMatch("domains", domain, DOMAIN, "lower-case domain names");
  for (const user of settings.poolUsers ?? [])
    requireMatch("poolUsers", user, POOL_USER, "lower-case user parts");
  requireMatch("sip.host", settings.sip.host, HOST, "an address or a host name");
  requirePort("sip.tcpPort", settings.sip.tcpPort);
  if (settings.sip.udpPort !== undefined) requirePort("sip.udpPort", settings.sip.udpPort);
  if (settings.sip.tlsPort !== undefined) {
    requirePort("sip.tlsPort", settings.sip.tlsPort);
    if (settings.tls === undefined) throw new EdgeSettingError("tls", "is required with sip.tlsPort");
    requirePath("tls.keyFile", settings.tls.keyFile);
    requirePath("tls.certificateFile", settings.tls.certificateFile);
  }
  requireMatch("control.host", settings.control.host, HOST, "an address or a host name");
  requirePort("control.port", settings.control.port);
  requireSome("nodes", settings.nodes);
  const seen = new Set<string>(["pool"]);
  for (const node of settings.nodes) {
    requireMatch("nodes.name", node.name, NAME, "a lower-case letter, then letters and digits");
    if (seen.has(node.name)) throw new EdgeSettingError("nodes.name", `${node.name} is taken`);
    seen.add(node.name);
    requireMatch("nodes.host", node.host, HOST, "an address or a host name");
    requirePort("nodes.port", node.port);
  }
  requireText("databaseUrl", settings.databaseUrl);
  requireMatch("databaseUrl", settings.databaseUrl, /^mysql:\/\/[^\s]+$/, "a mysql:// URL without blanks");
  requirePath("luaFile", settings.luaFile);
  requirePath("rpcSocketFile", settings.rpcSocketFile);
  for (const peer of settings.peers ?? []) requireMatch("peers", peer, HOST, "an address");
}
