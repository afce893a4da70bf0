export interface EdgeProcess {
  /** kamailio.cfg, with parlance.cfg and parlance.local.cfg beside it. */
  readonly configFile: string;
  /** Working and runtime directory; writable for `user`. */
  readonly runDir: string;
  /** Account to run as; the starter's own when absent. */
  readonly user?: string;
  readonly group?: string;
  /** Shared memory in MiB: connections (131 kB each), transactions (13 kB + message each), tables. */
  readonly sharedMemoryMb?: number;
  /** Private memory of each process in MiB. */
  readonly privateMemoryMb?: number;
}

/**
 * Arguments for the `kamailio` executable. It stays in the foreground, so that the starter owns it, and logs to
 * its standard error. No pid file: one that a killed Kamailio left, with a number that is somebody else's now, would keep it from starting. SIGTERM ends it with all its children.
 */
export function edgeCommandLine(process: EdgeProcess): string[] {
  const line = ["-f", process.configFile, "-Y", process.runDir, "-w", process.runDir];
  // tlsf for both: the default private allocator makes a fan-out two to three times as expensive.
  line.push("-x", "tlsf", "-X", "tlsf");
  line.push("-m", String(process.sharedMemoryMb ?? 1024), "-M", String(process.privateMemoryMb ?? 32));
  if (process.user !== undefined) line.push("-u", process.user);
  if (process.group !== undefined) line.push("-g", process.group);
  line.push("-DD", "-E");
  return line;
}
