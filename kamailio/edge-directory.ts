import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderEdgeConfig } from "./edge-config.ts";
import type { EdgeSettings } from "./edge-settings.ts";

/** The files a Kamailio of this installation reads, all in one directory. */
export interface EdgeDirectory {
  readonly configFile: string;
  readonly localFile: string;
}

/**
 * Lays out a directory that Kamailio can be started from: copies of kamailio.cfg, parlance.cfg and the Lua files
 * from `sourceDir`, and the generated parlance.local.cfg (mode 0600). `luaFile` of the settings is set to the
 * copy. Existing files are overwritten.
 * @throws EdgeSettingError when a setting cannot be written; nothing has been written then
 */
export async function writeEdgeDirectory(
  dir: string,
  sourceDir: string,
  settings: Omit<EdgeSettings, "luaFile">,
): Promise<EdgeDirectory> {
  const text = renderEdgeConfig({ ...settings, luaFile: join(dir, "batch.lua") });
  await mkdir(dir, { recursive: true });
  for (const name of ["kamailio.cfg", "parlance.cfg", "batch.lua", "copies.lua", "checks.lua"])
    await copyFile(join(sourceDir, name), join(dir, name));
  const localFile = join(dir, "parlance.local.cfg");
  await writeFile(localFile, text, { mode: 0o600 });
  await chmod(localFile, 0o600);
  return { configFile: join(dir, "kamailio.cfg"), localFile };
}
