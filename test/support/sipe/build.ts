import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

const SOURCES = fileURLToPath(new URL(".", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../node_modules/.cache/parlance-sipe", import.meta.url));
const DRIVER_FILES = ["driver.c", "driver-ui.c", "driver-dialogs.c", "driver-loop.c", "json-line.c"];
const HEADER_FILES = ["driver-ui.h", "driver-dialogs.h", "driver-loop.h", "json-line.h"];
const SHIM_FILE = "xml-sax-shim.c";
const PACKAGES = [
  "pidgin-sipe",
  "libpurple0",
  "libpurple-dev",
  "gcc",
  "libc6-dev",
  "pkg-config",
  "libxml2-dev",
];
const CFLAGS = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra"];
const COMPILE_TIMEOUT_MS = 60_000;
const INSTALL_TIMEOUT_MS = 300_000;

/** Absolute paths of the compiled client and of the library that must be preloaded into it. */
export interface SipeBinaries {
  driver: string;
  shim: string;
}

let built: Promise<SipeBinaries> | undefined;

/**
 * Installs what is missing (Debian, as root) and compiles the headless SIPE client, once per content of its sources.
 * @throws Error when a package is missing and cannot be installed, or the compiler refuses.
 */
export function buildSipe(): Promise<SipeBinaries> {
  built ??= installAndCompile();
  return built;
}

async function installAndCompile(): Promise<SipeBinaries> {
  await installMissing();
  const folder = path.join(CACHE, await sourceHash());
  if (!existsSync(folder)) await compileInto(folder);
  return { driver: path.join(folder, "driver"), shim: path.join(folder, "xml-sax-shim.so") };
}

async function installMissing(): Promise<void> {
  const missing: string[] = [];
  for (const name of PACKAGES) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    throw new Error(
      `the SIPE tests need Debian packages: apt-get install --no-install-recommends ${missing.join(" ")}`,
    );
  }
  try {
    await install(missing);
  } catch {
    await apt(["update"]); // package lists may be absent or older than the archive
    await install(missing);
  }
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const { stdout } = await run("dpkg-query", ["-W", "-f", "$" + "{db:Status-Status}\n", name]);
    return stdout.split("\n").includes("installed");
  } catch {
    return false;
  }
}

async function install(names: string[]): Promise<void> {
  await apt(["install", "-y", "--no-install-recommends", ...names]);
}

async function apt(args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = ["-o", "DPkg::Lock::Timeout=240", "-q"];
  await run("apt-get", [...options, ...args], { env, timeout: INSTALL_TIMEOUT_MS, maxBuffer: 64 << 20 });
}

async function sourceHash(): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([process.arch, CFLAGS]));
  for (const name of [...DRIVER_FILES, ...HEADER_FILES, SHIM_FILE]) {
    hash
      .update(name)
      .update("\0")
      .update(await readFile(path.join(SOURCES, name)));
  }
  return hash.digest("hex").slice(0, 24);
}

/** Compiles beside the target and renames, so that tests which build at the same time never see half of it. */
async function compileInto(folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(path.join(CACHE, "build-"));
  try {
    const purple = await flags("purple");
    const libxml = await flags("libxml-2.0");
    const sources = DRIVER_FILES.map((name) => path.join(SOURCES, name));
    await gcc([...CFLAGS, "-o", path.join(work, "driver"), ...sources, ...purple]);
    const shim = [
      "-shared",
      "-fPIC",
      "-o",
      path.join(work, "xml-sax-shim.so"),
      path.join(SOURCES, SHIM_FILE),
    ];
    await gcc([...CFLAGS, ...shim, ...libxml, "-ldl"]);
    await rename(work, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error; // otherwise another test was first
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function flags(library: string): Promise<string[]> {
  const { stdout } = await run("pkg-config", ["--cflags", "--libs", library]);
  return stdout.trim().split(/\s+/);
}

async function gcc(args: string[]): Promise<void> {
  await run("gcc", args, { timeout: COMPILE_TIMEOUT_MS });
}
