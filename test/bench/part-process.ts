import type { PartResult } from "./part.ts";
import { PARTS } from "./parts.ts";

/** What a part's process tells the one that started it. */
export type PartMessage =
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "result"; readonly result: PartResult }
  | { readonly kind: "failed"; readonly why: string };

/** Runs one part: `part-process.ts NAME [PROFILE-DIR]`. Its servers end with it. */
async function main(name: string, profileDir: string | undefined): Promise<void> {
  const tell = (message: PartMessage) => process.send?.(message);
  const part = PARTS.find((candidate) => candidate.name === name);
  if (!part) throw new Error(`no part ${name}`);
  try {
    const result = await part.run({ say: (text) => tell({ kind: "progress", text }), profileDir });
    tell({ kind: "result", result });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    tell({ kind: "failed", why });
    process.stderr.write(`${error instanceof Error ? error.stack : why}\n`);
    process.exitCode = 1;
  } finally {
    process.disconnect?.();
  }
}

await main(process.argv[2] ?? "", process.argv[3]);
