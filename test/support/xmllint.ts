import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const program = "/usr/bin/xmllint";

/** @returns undefined when the file is valid, else what xmllint says. */
export async function validate(xmlFile: string, schemaFile: string): Promise<string | undefined> {
  try {
    await run(program, ["--noout", "--nonet", "--huge", "--schema", schemaFile, xmlFile], {
      maxBuffer: 16 << 20,
    });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
