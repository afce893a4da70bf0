/**
 * Exports or imports in a process of its own that can be killed. Says "step" after each step, and "done" at the end.
 * node --import tsx test/support/transfer-child.ts export|import URL FOLDER
 */
import { openStores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import { importDomain } from "../../src/transfer/import.ts";

const [what, url = "", folder = ""] = process.argv.slice(2);
const stores = await openStores({ url, domain: "example.com", compliance: true, connections: 2 });
const actor = { kind: "administrator", name: "root" } as const;
const onProgress = () => void process.stdout.write("step\n");
const selection = {
  level: "all",
  categories: null,
  fromMs: null,
  untilMs: null,
  withoutDisabled: false,
} as const;
if (what === "export")
  await exportDomain(stores.exported, {
    folder,
    domain: "example.com",
    actor,
    selection,
    partBytes: 20_000,
    onProgress,
  });
else
  await importDomain(stores.imports, {
    folder,
    actor,
    onConflict: "fail",
    portion: 40,
    onProgress: (of) => of === "lines" && onProgress(),
  });
await stores.close();
process.stdout.write("done\n");
