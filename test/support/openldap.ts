import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Attribute, Change, Client } from "ldapts";
import { locate } from "../../plugin/stack/process.ts";
import type { LdapSettings } from "../../src/directory/ldap/ldap-directory.ts";
import { freePort } from "./lab-ports.ts";
import { type LabProcess, startProcess } from "./lab-process.ts";
import { until } from "./until.ts";

const run = promisify(execFile);

export const BASE = "dc=example,dc=com";
export const PEOPLE = `ou=people,${BASE}`;
export const GROUPS = `ou=groups,${BASE}`;
const ROOT = `cn=admin,${BASE}`;
const READER = `cn=reader,${BASE}`;

/** A real OpenLDAP in a folder of its own, on a free port of this host. */
export interface OpenLdap {
  readonly url: string;
  readonly tlsUrl: string;
  readonly caFile: string;
  readonly reader: { readonly dn: string; readonly password: string };
  /** As a node would be told to read it. */
  settings(different?: Partial<LdapSettings>): LdapSettings;
  /** "alice" → her entry's name. */
  person(name: string): string;
  group(name: string): string;
  addPerson(name: string, attributes?: Record<string, string | string[]>): Promise<void>;
  /** @param members names of entries */
  addGroup(name: string, members: readonly string[]): Promise<void>;
  addMember(group: string, member: string): Promise<void>;
  removeMember(group: string, member: string): Promise<void>;
  setAttribute(dn: string, name: string, values: string[]): Promise<void>;
  add(dn: string, attributes: Record<string, string | string[]>): Promise<void>;
  remove(dn: string): Promise<void>;
  /** Another name below the same entry. */
  rename(dn: string, newName: string): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Whoever reads is shown at most so many entries by one search. */
  restrict(sizeLimit: number | "unlimited"): Promise<void>;
  close(): Promise<void>;
}

/** @param ldif more entries, put in before the server starts */
export async function startOpenLdap(ldif = ""): Promise<OpenLdap> {
  const folder = mkdtempSync(join(tmpdir(), "parlance-ldap-"));
  const password = randomBytes(12).toString("hex");
  const readerPassword = randomBytes(12).toString("hex");
  const [port, tlsPort] = [await freePort(), await freePort()];
  const [caFile, keyFile] = [join(folder, "ca.pem"), join(folder, "key.pem")];
  await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", keyFile, "-out", caFile],
  ]);
  const configFile = join(folder, "slapd.conf");
  mkdirSync(join(folder, "data"));
  const configure = (sizeLimit: number | "unlimited") =>
    writeFileSync(
      configFile,
      [
        ...["core", "cosine", "inetorgperson"].map((name) => `include /etc/ldap/schema/${name}.schema`),
        "modulepath /usr/lib/ldap",
        "moduleload back_mdb",
        `pidfile ${join(folder, "slapd.pid")}`,
        `TLSCertificateFile ${caFile}`,
        `TLSCertificateKeyFile ${keyFile}`,
        `sizelimit ${sizeLimit}`,
        "database mdb",
        "maxsize 268435456",
        `directory ${join(folder, "data")}`,
        `suffix "${BASE}"`,
        `rootdn "${ROOT}"`,
        `rootpw ${password}`,
        "dbnosync",
        // Whoever has no name is shown nothing.
        "access to attrs=userPassword by anonymous auth by * none",
        "access to * by users read by * none",
        "index objectClass eq",
        "",
      ].join("\n"),
      { mode: 0o600 },
    );
  configure("unlimited");
  const base = [
    entry(BASE, { objectClass: ["dcObject", "organization"], dc: "example", o: "Example" }),
    entry(PEOPLE, { objectClass: "organizationalUnit", ou: "people" }),
    entry(GROUPS, { objectClass: "organizationalUnit", ou: "groups" }),
    entry(READER, {
      objectClass: ["organizationalRole", "simpleSecurityObject"],
      cn: "reader",
      userPassword: readerPassword,
    }),
  ];
  const ldifFile = join(folder, "entries.ldif");
  writeFileSync(ldifFile, `${base.join("")}${ldif}`);
  await run(locate("slapadd", "slapd"), ["-q", "-f", configFile, "-l", ldifFile]);

  const url = `ldap://127.0.0.1:${port}`;
  const tlsUrl = `ldaps://localhost:${tlsPort}`;
  let server: LabProcess | undefined;
  const change = async <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    const client = new Client({ url, timeout: 10_000, connectTimeout: 10_000 });
    try {
      await client.bind(ROOT, password);
      return await work(client);
    } finally {
      await client.unbind();
    }
  };
  const modify = (dn: string, operation: "add" | "delete" | "replace", type: string, values: string[]) =>
    change((client) =>
      client.modify(dn, new Change({ operation, modification: new Attribute({ type, values }) })),
    );
  const ldap: OpenLdap = {
    url,
    tlsUrl,
    caFile,
    reader: { dn: READER, password: readerPassword },
    settings: (different = {}) => ({
      url,
      bind: ldap.reader,
      users: { baseDn: PEOPLE, filter: "(objectClass=inetOrgPerson)" },
      groups: { baseDn: GROUPS, filter: "(objectClass=groupOfNames)" },
      attributes: {
        sip: "mail",
        name: "displayName",
        mail: "mail",
        groupName: "cn",
        members: ["member"],
        id: "entryUUID",
      },
      pageSize: 100,
      connectTimeoutMs: 5_000,
      timeoutMs: 20_000,
      ...different,
    }),
    person: (name) => `uid=${name},${PEOPLE}`,
    group: (name) => `cn=${name},${GROUPS}`,
    addPerson: (name, attributes = {}) => ldap.add(ldap.person(name), personAttributes(name, attributes)),
    addGroup: (name, members) =>
      ldap.add(ldap.group(name), { objectClass: "groupOfNames", cn: name, member: [...members] }),
    addMember: (group, member) => modify(ldap.group(group), "add", "member", [member]),
    removeMember: (group, member) => modify(ldap.group(group), "delete", "member", [member]),
    setAttribute: (dn, name, values) => modify(dn, "replace", name, values),
    add: (dn, attributes) => change((client) => client.add(dn, attributes)),
    remove: (dn) => change((client) => client.del(dn)),
    rename: (dn, newName) => change((client) => client.modifyDN(dn, newName)),
    async stop() {
      await server?.stop();
      server = undefined;
    },
    async start() {
      server = startProcess(
        locate("slapd", "slapd"),
        ["-f", configFile, "-h", `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${tlsPort}/`, "-d", "0"],
        join(folder, "slapd.log"),
      );
      await until("slapd answers", async () => {
        const ended = server?.exitCode();
        if (ended !== undefined) throw new Error(`slapd ended (${ended}): ${await server?.log()}`);
        return change(async () => true).catch(() => false);
      });
    },
    async restrict(sizeLimit) {
      configure(sizeLimit);
      await ldap.stop();
      await ldap.start();
    },
    async close() {
      await ldap.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await ldap.start();
  return ldap;
}

/** alice: Alice, alice@example.com. */
export function personAttributes(
  name: string,
  different: Record<string, string | string[]> = {},
): Record<string, string | string[]> {
  const shown = `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
  return {
    objectClass: "inetOrgPerson",
    cn: shown,
    sn: shown,
    displayName: shown,
    mail: `${name}@example.com`,
    ...different,
  };
}

/** One entry in LDIF (RFC 2849). */
export function entry(dn: string, attributes: Record<string, string | readonly string[]>): string {
  const lines = Object.entries(attributes).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}:: ${Buffer.from(value).toString("base64")}\n`),
  );
  return `dn:: ${Buffer.from(dn).toString("base64")}\n${lines.join("")}\n`;
}
