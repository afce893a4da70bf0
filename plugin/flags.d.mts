/** A flag that cannot be obeyed: one sentence with the way out. */
export class FlagError extends Error {}

export interface UpFlags {
  /** As given; undefined for the default. */
  readonly stateDir: string | undefined;
  readonly detach: boolean;
  readonly demo: boolean;
  readonly sipPort: number | undefined;
  readonly httpPort: number | undefined;
  readonly nodes: number;
  readonly domain: string | undefined;
}

/** @throws FlagError */
export function parseUpFlags(args: readonly string[]): UpFlags;
/** @throws FlagError */
export function parseDownFlags(args: readonly string[]): { readonly stateDir: string | undefined };
/** @throws FlagError */
export function parseTestFlags(args: readonly string[]): { readonly files: readonly string[] };
