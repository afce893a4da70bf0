import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";

/*
 * What plugin/up says on machines that lack something, before it has installed, built or started anything. The real scripts run from
 * a checkout without packages and build; what a machine has is changed for the process that looks, and for no other.
 */

const root = join(import.meta.dirname, "..", "..", "..");
const folder = mkdtempSync(join(tmpdir(), "parlance-prepare-"));
const checkout = join(folder, "checkout");
/** Debian's account that owns nothing. */
const NOBODY = "65534";

for (const name of ["plugin", "package.json", "package-lock.json"])
  cpSync(join(root, name), join(checkout, name), { recursive: true });
// Ordinary users may read it, whoever cloned it and how.
execFileSync("chmod", ["-R", "a+rX", folder]);

after(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Machine {
  /** Where programs are looked for. */
  readonly path?: string;
  /** A program that cannot be run, in this process's view of the file system. */
  readonly without?: string;
  /** The account that calls it. */
  readonly as?: string;
}

/** @returns what plugin/up did on a machine like this one, but for what is said */
function up(
  args: readonly string[],
  { path = process.env.PATH ?? "", without, as }: Machine,
): Promise<Ended> {
  let call = [join(checkout, "plugin", "up"), ...args];
  if (as !== undefined) call = ["/usr/bin/setpriv", "--reuid", as, "--regid", as, "--clear-groups", ...call];
  if (without !== undefined) {
    const hide = '/usr/bin/mount --bind /dev/null "$0" && exec "$@"';
    call = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", hide, without, ...call];
  }
  const [program = "", ...rest] = call;
  return new Promise((resolve) => {
    execFile(program, rest, { timeout: 60_000, env: { PATH: path } }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

/** A PATH that holds what the scripts call, but for some. */
function pathWithout(...left: string[]): string {
  const bin = join(folder, `without-${left.join("-")}`);
  mkdirSync(bin);
  for (const name of [
    "apt-get",
    "date",
    "dirname",
    "flock",
    "id",
    "mktemp",
    "node",
    "npm",
    "readlink",
    "rm",
    "sh",
  ]) {
    const file = [dirname(process.execPath), "/usr/sbin", "/usr/bin", "/bin"]
      .map((place) => join(place, name))
      .find((place) => existsSync(place));
    if (file !== undefined && !left.includes(name)) symlinkSync(file, join(bin, name));
  }
  return bin;
}

function assertNothingDone({ out }: Ended, said: RegExp = /^$/): void {
  assert.match(out, said);
  for (const name of ["var", "dist", "node_modules"])
    assert.equal(existsSync(join(checkout, name)), false, name);
}

const asRoot = {
  skip: process.getuid?.() === 0 ? false : "only root can take a program away for one process",
};

test("without Node.js, and with one that is too old, up says which it needs and where it is to be had", async () => {
  const missing = await up([], { path: pathWithout("node") });
  assert.equal(missing.code, 1);
  assert.match(
    missing.err,
    /^Node\.js is missing: install Node\.js 20\.19 or newer \(https:.*\) and put it first in PATH\.\n$/,
  );
  assertNothingDone(missing);

  const bin = pathWithout("node", "npm");
  writeFileSync(join(bin, "node"), "#!/bin/sh\necho 20.18.3\n", { mode: 0o755 });
  const old = await up([], { path: bin });
  assert.equal(old.code, 1);
  assert.match(old.err, /^Node\.js 20\.18\.3 is too old: install Node\.js 20\.19 or newer .*\n$/);
  assertNothingDone(old);
});

test("a wrong flag is refused before anything is installed", async () => {
  const ended = await up(["--sip-prot", "5060"], {});
  assert.equal(ended.code, 2);
  assert.match(ended.err, /--sip-prot.*\n$/s);
  assertNothingDone(ended);
});

test(
  "a missing package and a user who may not install it: its name, and the command for root",
  asRoot,
  async () => {
    const ended = await up([], { without: "/usr/sbin/mariadbd", as: NOBODY });
    assert.equal(ended.code, 1);
    assert.equal(
      ended.err,
      'Missing packages: mariadb-server-core. Only root may install them: run "apt-get install --no-install-recommends mariadb-server-core" as root, then start again.\n',
    );
    assertNothingDone(ended, /^Preparing\n$/);
  },
);

test(
  "a missing package where there is no apt: which programs to install by other means",
  asRoot,
  async () => {
    const ended = await up([], { without: "/usr/sbin/kamailio", path: pathWithout("apt-get") });
    assert.equal(ended.code, 1);
    assert.equal(
      ended.err,
      "Missing: kamailio. This is no Debian: install the same programs with your package manager and start again.\n",
    );
    assertNothingDone(ended, /^Preparing\n$/);
  },
);

test("a checkout of somebody else's without the npm packages: what its owner is to run", asRoot, async () => {
  const ended = await up([], { as: NOBODY });
  assert.equal(ended.code, 1);
  assert.match(
    ended.err,
    /^The npm packages are missing and .*checkout is not yours to write: run "npm ci" there as its owner\.\n$/,
  );
  assertNothingDone(ended, /^Preparing\n {2}Debian packages: all there +\d+ ms\n$/);
});
