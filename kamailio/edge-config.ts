import type { EdgeNode, EdgeSettings } from "./edge-settings.ts";
import { checkEdgeSettings } from "./edge-settings.ts";

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function define(name: string, value: string): string {
  return `#!define ${name} "${value}"`;
}

function server(connection: string, node: EdgeNode, priority: number): string {
  // The dot: janssonrpcc takes the first connection whose name is the beginning of the one asked for, n1 for n10.
  return `modparam("janssonrpcc", "server", "conn=${connection}.;addr=${node.host};port=${node.port};priority=${priority};weight=10")`;
}

/** `pool` spreads over all nodes; a node's own name prefers it and has the others as standby. */
function servers(nodes: readonly EdgeNode[]): string[] {
  const lines = nodes.map((node) => server("pool", node, 10));
  for (const own of nodes) {
    lines.push(server(own.name, own, 10));
    for (const other of nodes) if (other.name !== own.name) lines.push(server(own.name, other, 20));
  }
  return lines;
}

/**
 * Text of `parlance.local.cfg`, read by parlance.cfg and kamailio.cfg. Holds the shared secret and the database
 * password: write it with mode 0600 for Kamailio's user.
 *
 * The file is imported several times; the three sections take effect in turn (settings, aliases, nodes), since
 * a module parameter can be set only after its module has been loaded.
 * @throws EdgeSettingError when a value cannot be written safely
 */
export function renderEdgeConfig(settings: EdgeSettings): string {
  checkEdgeSettings(settings);
  const { sip, control } = settings;
  const host = bracketed(sip.host);
  const lines = [
    "# Generated. Holds secrets: mode 0600.",
    "#!ifndef PARLANCE_SETTINGS",
    "#!define PARLANCE_SETTINGS",
    define("PARLANCE_EDGE", settings.edge),
    define("PARLANCE_KEY", settings.key),
    define("PARLANCE_DOMAINS", settings.domains.join(",")),
    define("PARLANCE_POOL_USERS", (settings.poolUsers ?? ["pchat", "ocschat"]).join(",")),
    define("PARLANCE_NODES", settings.nodes.map((node) => node.name).join(",")),
    define("PARLANCE_CONTROL", `${bracketed(control.host)}:${control.port}`),
    define("PARLANCE_LUA", settings.luaFile),
    define("PARLANCE_SQLCON", `parlance=>${settings.databaseUrl}`),
  ];
  if (settings.peers !== undefined && settings.peers.length > 0)
    lines.push(define("PARLANCE_PEERS", settings.peers.join(",")));
  lines.push(
    // Tokens of a listen line, not strings.
    `#!define EDGE_TCP tcp:${host}:${sip.tcpPort}`,
    `#!define EDGE_CONTROL tcp:${bracketed(control.host)}:${control.port}`,
    define("EDGE_RPC", `unix:${settings.rpcSocketFile}`),
  );
  if (sip.udpPort !== undefined) lines.push(`#!define EDGE_UDP udp:${host}:${sip.udpPort}`);
  if (sip.tlsPort !== undefined && settings.tls !== undefined) {
    lines.push(
      `#!define EDGE_TLS tls:${host}:${sip.tlsPort}`,
      define("EDGE_TLS_KEY", settings.tls.keyFile),
      define("EDGE_TLS_CERT", settings.tls.certificateFile),
    );
  }
  lines.push(
    "#!endif",
    "#!ifdef EDGE_ALIASES",
    ...settings.domains.map((domain) => `alias="${domain}"`),
    "#!endif",
    "#!ifdef PARLANCE_MODULES",
    ...servers(settings.nodes),
    "#!endif",
    "",
  );
  return lines.join("\n");
}
