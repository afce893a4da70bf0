/** A setting is wrong: what, where, and what to do about it. Stops the start with exit code 78 (EX_CONFIG). */
export class ConfigError extends Error {
  /** Where in the file, `chat.max-story`; empty when the file itself is the trouble. */
  readonly path: string;
  constructor(path: string, message: string, options?: { cause?: unknown }) {
    super(path === "" ? message : `${path}: ${message}`, options);
    this.name = "ConfigError";
    this.path = path;
  }
}
