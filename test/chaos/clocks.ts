import { rmSync, writeFileSync } from "node:fs";
import type { Stack } from "../../plugin/stack/stack-options.ts";

const HOOK = `--import=${import.meta.resolve("./clock-hook.mjs")}`;

/** From here on every Node.js process that this one starts can be given another time. */
export function makeClocksAdjustable(): void {
  const known = process.env.NODE_OPTIONS ?? "";
  if (!known.includes(HOOK)) process.env.NODE_OPTIONS = `${known} ${HOOK}`.trim();
}

/** The wall clock of a node, of the worker or of the archive's process jumps by so much, and back when asked. */
export function setClock(stack: Stack, name: string, offsetMs: number): () => void {
  const role = name === "worker" || name === "archive" ? name : "serve";
  const file = `${stack.configFiles[role === "serve" ? name : "n1"]}.${role}.clock`;
  writeFileSync(file, String(offsetMs));
  return () => rmSync(file, { force: true });
}
