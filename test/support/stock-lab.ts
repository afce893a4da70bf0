import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderEdgeConfig } from "../../kamailio/edge-config.ts";
import type { EdgeSettings } from "../../kamailio/edge-settings.ts";
import { waitForTcp } from "./kamailio-lab.ts";
import { eventually, freePort } from "./lab-ports.ts";
import { startProcess } from "./lab-process.ts";

export const STOCK_CONFIG = "/etc/kamailio/kamailio.cfg";
const SOURCE_DIR = fileURLToPath(new URL("../../kamailio", import.meta.url));

/** The stock file with the three lines of the manual. */
export function withThreeLines(stock: string, include: string): string {
  const after = (text: string, anchor: string, line: string): string => {
    const at = text.indexOf(anchor);
    if (at === -1 || text.indexOf(anchor, at + 1) !== -1) throw new Error(`not exactly once: ${anchor}`);
    return `${text.slice(0, at)}${line}\n${text.slice(at)}`;
  };
  let text = after(stock, "####### Routing Logic ########", `include_file "${include}"`);
  text = after(text, "\t# CANCEL processing", "\troute(PARLANCE);");
  return after(text, '\tif (!save("location")) {', "\troute(PARLANCE_REGISTER);");
}

export interface StockProxy {
  readonly port: number;
  readonly control: { readonly host: string; readonly port: number };
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Debian's own configuration on private ports; with `settings` the three lines are in it. */
export async function startStockProxy(
  dir: string,
  settings?: Pick<EdgeSettings, "key" | "nodes" | "databaseUrl"> &
    Partial<Pick<EdgeSettings, "edge" | "control">>,
): Promise<StockProxy> {
  const port = await freePort();
  const control = settings?.control ?? { host: "127.0.0.2", port: await freePort("127.0.0.2") };
  const configFile = join(dir, "kamailio.cfg");
  const stock = await readFile(STOCK_CONFIG, "utf8");
  if (settings === undefined) {
    await copyFile(STOCK_CONFIG, configFile);
  } else {
    await copyFile(join(SOURCE_DIR, "parlance.cfg"), join(dir, "parlance.cfg"));
    const local = renderEdgeConfig({
      edge: "stock",
      ...settings,
      domains: ["example.com"],
      sip: { host: "127.0.0.1", tcpPort: port },
      control,
      luaFile: join(SOURCE_DIR, "batch.lua"),
      rpcSocketFile: join(dir, "unused.sock"),
    });
    await writeFile(join(dir, "parlance.local.cfg"), local, { mode: 0o600 });
    await writeFile(configFile, withThreeLines(stock, join(dir, "parlance.cfg")));
  }
  const server = startProcess(
    "kamailio",
    [
      "-f",
      configFile,
      "-P",
      join(dir, "kamailio.pid"),
      "-Y",
      dir,
      "-w",
      dir,
      "-m",
      "128",
      "-M",
      "16",
      "-DD",
      "-E",
      "--alias=example.com",
      "-l",
      `udp:127.0.0.1:${port}`,
      "-l",
      `tcp:127.0.0.1:${port}`,
      "-l",
      `tcp:127.0.0.2:${control.port}`,
    ],
    join(dir, "kamailio.log"),
  );
  await eventually(
    "Kamailio is up",
    async () => {
      if (server.exitCode() !== undefined) throw new Error(`Kamailio ended: ${await server.log()}`);
      return waitForTcp("127.0.0.2", control.port, 200).catch(() => undefined);
    },
    15_000,
  );
  return { port, control, log: () => server.log(), stop: () => server.stop() };
}
