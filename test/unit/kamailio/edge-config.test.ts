import assert from "node:assert/strict";
import { test } from "node:test";
import { edgeCommandLine } from "../../../kamailio/edge-command-line.ts";
import { renderEdgeConfig } from "../../../kamailio/edge-config.ts";
import type { EdgeSettings } from "../../../kamailio/edge-settings.ts";
import { EdgeSettingError } from "../../../kamailio/edge-settings.ts";

const SETTINGS: EdgeSettings = {
  edge: "edge1",
  key: "0123456789abcdef".repeat(4),
  domains: ["example.com", "example.org"],
  sip: { host: "192.0.2.1", tcpPort: 5060, udpPort: 5060, tlsPort: 5061 },
  control: { host: "127.0.0.2", port: 5071 },
  nodes: [
    { name: "n1", host: "127.0.0.1", port: 5081 },
    { name: "n10", host: "127.0.0.1", port: 5082 },
  ],
  databaseUrl: "mysql://kamailio:p%40ss@127.0.0.1:3306/kamailio",
  tls: { keyFile: "/k/tls.key", certificateFile: "/k/tls.crt" },
  luaFile: "/k/batch.lua",
  rpcSocketFile: "/k/rpc.sock",
};

test("every setting ends up in the file once, nodes with themselves first and the others as standby", () => {
  const text = renderEdgeConfig(SETTINGS);
  for (const line of [
    '#!define PARLANCE_DOMAINS "example.com,example.org"',
    '#!define PARLANCE_NODES "n1,n10"',
    '#!define PARLANCE_CONTROL "127.0.0.2:5071"',
    "#!define EDGE_TLS tls:192.0.2.1:5061",
    'alias="example.org"',
  ])
    assert.ok(text.split("\n").includes(line), line);
  const connections = text
    .split("\n")
    .filter((line) => line.startsWith("modparam"))
    .map((line) => /conn=(.*?);.*port=(\d+);priority=(\d+)/.exec(line)?.slice(1).join(" "));
  // The dot ends the name: janssonrpcc would take n1 for the beginning of n10.
  assert.deepEqual(connections, [
    "pool. 5081 10",
    "pool. 5082 10",
    "n1. 5081 10",
    "n1. 5082 20",
    "n10. 5082 10",
    "n10. 5081 20",
  ]);
});

test("IPv6 addresses are bracketed where a port follows", () => {
  const text = renderEdgeConfig({
    ...SETTINGS,
    sip: { host: "2001:db8::1", tcpPort: 5060 },
    control: { host: "::1", port: 5071 },
  });
  assert.match(text, /#!define EDGE_TCP tcp:\[2001:db8::1\]:5060\n/);
  assert.match(text, /#!define PARLANCE_CONTROL "\[::1\]:5071"\n/);
});

test("what could end a string or begin a line is refused with the name of the setting and without the value", () => {
  const bad: [string, Partial<EdgeSettings>][] = [
    ["edge", { edge: 'a"\nlisten=udp:0.0.0.0:1' }],
    ["key", { key: "secret" }],
    ["domains", { domains: ["example.com\n"] }],
    ["domains", { domains: ["Example.com"] }],
    ["domains", { domains: [] }],
    ["poolUsers", { poolUsers: ["a,b"] }],
    ["sip.host", { sip: { ...SETTINGS.sip, host: "1.2.3.4:5" } }],
    ["sip.tcpPort", { sip: { ...SETTINGS.sip, tcpPort: 0 } }],
    ["control.port", { control: { host: "127.0.0.2", port: 65_536 } }],
    ["nodes", { nodes: [] }],
    ["nodes.name", { nodes: [{ name: "n1-5", host: "h", port: 1 }] }],
    ["nodes.name", { nodes: [{ name: "pool", host: "h", port: 1 }] }],
    [
      "nodes.name",
      {
        nodes: [
          { name: "n1", host: "h", port: 1 },
          { name: "n1", host: "h", port: 2 },
        ],
      },
    ],
    ["nodes.host", { nodes: [{ name: "n1", host: "h;port=1", port: 1 }] }],
    ["databaseUrl", { databaseUrl: 'mysql://k:se"cret@h/d' }],
    ["databaseUrl", { databaseUrl: "mysql://k:secret@h/d\nx" }],
    ["databaseUrl", { databaseUrl: "postgres://k:secret@h/d" }],
    ["luaFile", { luaFile: "batch.lua" }],
    ["rpcSocketFile", { rpcSocketFile: "/a\\b" }],
    ["tls.keyFile", { tls: { keyFile: "", certificateFile: "/c" } }],
    ["peers", { peers: ["192.0.2.1,evil"] }],
  ];
  for (const [setting, change] of bad)
    assert.throws(
      () => renderEdgeConfig({ ...SETTINGS, ...change }),
      (e) => e instanceof EdgeSettingError && e.setting === setting && !e.message.includes("secret"),
      setting,
    );
  const { tls: _, ...withoutTls } = SETTINGS;
  assert.throws(
    () => renderEdgeConfig(withoutTls),
    (e) => e instanceof EdgeSettingError && e.setting === "tls",
  );
});

test("the command line keeps Kamailio in the foreground and uses the fast allocator", () => {
  const line = edgeCommandLine({
    configFile: "/e/kamailio.cfg",
    runDir: "/e",
    user: "kamailio",
    sharedMemoryMb: 64,
  }).join(" ");
  assert.equal(line, "-f /e/kamailio.cfg -Y /e -w /e -x tlsf -X tlsf -m 64 -M 32 -u kamailio -DD -E");
});
