import type { ArchiveFormat } from "./format.ts";
import { lyncXml } from "./lync-xml.ts";

/** Every export format by the name it has in the configuration. */
export const formats = { "lync-xml": lyncXml } as const satisfies Readonly<Record<string, ArchiveFormat>>;
