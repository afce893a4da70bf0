// npm run build: compiles to dist/ and puts beside it what the programs read at run time. The old build is replaced
// in the end, in one step, so that a failed build leaves it as it was.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
/** On the same disk, and ignored by git: a build that is killed leaves its pieces here until the next one. */
const workshop = join(root, "node_modules", ".cache", "parlance-build");
const fresh = join(workshop, `new-${process.pid}`);
const old = join(workshop, `old-${process.pid}`);
/** Read at run time: migrations, Kamailio's and Asterisk's files, the default configuration, plain modules and their resources. */
const copied = /\.(sql|cfg|lua|conf|yaml|mjs|html|css|svg|json)$/;
const omitted = new Set([
  "node_modules",
  "test",
  "build.mjs",
  "package.json",
  "tsconfig.json",
  "tsconfig.build.json",
]);

process.exitCode = build();

function build() {
  // Times of files changed during the build must be newer than the stamp.
  const started = new Date();
  rmSync(workshop, { recursive: true, force: true });
  mkdirSync(workshop, { recursive: true });
  try {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const args = [tsc, "-p", join(root, "plugin", "tsconfig.build.json"), "--outDir", fresh];
    const { status } = spawnSync(process.execPath, args, { stdio: "inherit", cwd: root });
    if (status !== 0) return 1;
    for (const folder of ["src", "kamailio", "asterisk", "plugin"]) copyResources(folder);
    writeFileSync(join(fresh, ".built"), `${started.toISOString()}\n`);
    utimesSync(join(fresh, ".built"), started, started);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
    return 0;
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

function copyResources(folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (omitted.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) copyResources(path);
    else if (copied.test(entry.name)) cpSync(join(root, path), join(fresh, path));
  }
}
