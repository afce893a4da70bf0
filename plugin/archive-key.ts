import { existsSync } from "node:fs";
import {
  MalformedNote,
  readSecretKey,
  readVerifierKey,
  type Signer,
  type VerifierKey,
} from "../src/compliance/log/note.ts";
import { type Config, readSecret } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { runCommand } from "./run-command.ts";

const SIGN_TIMEOUT_MS = 10_000;
const SETTING = "compliance.archive.key-file";

/** Who signs checkpoints: the key file, or a command that has the key. @throws {ConfigError} */
export function archiveSigner(config: Config): Signer {
  const command = config.compliance.archive["sign-command"];
  if (command !== undefined) {
    const key = publicKeySetting(config);
    return {
      ...key,
      sign: async (message) => signatureIn(await runCommand(command, message, SIGN_TIMEOUT_MS)),
    };
  }
  return signerIn(config.archiveKeyFile, SETTING);
}

/** @throws {ConfigError} in one sentence, which holds nothing of the key */
export function signerIn(file: string, setting: string): Signer {
  if (!existsSync(file))
    throw new ConfigError(setting, `${file} does not exist; make a key: parlance compliance key create`);
  const text = readSecret("/", file, setting, /^PRIVATE\+KEY\+\S+$/, "a signing key");
  try {
    return readSecretKey(text);
  } catch (error) {
    if (!(error instanceof MalformedNote)) throw error;
    throw new ConfigError(setting, `${file} ${error.message}`);
  }
}

/** Whose signatures are trusted. @throws {ConfigError} */
export function archiveKey(config: Config): VerifierKey {
  return config.compliance.archive["sign-command"] === undefined
    ? archiveSigner(config)
    : publicKeySetting(config);
}

function publicKeySetting(config: Config): VerifierKey {
  try {
    return readVerifierKey(config.compliance.archive["public-key"] ?? "");
  } catch (error) {
    if (!(error instanceof MalformedNote)) throw error;
    throw new ConfigError("compliance.archive.public-key", error.message);
  }
}

/** 64 bytes as they are, or in base64. */
function signatureIn(answer: Buffer): Buffer {
  return answer.length === 64 ? answer : Buffer.from(answer.toString("latin1").trim(), "base64");
}
