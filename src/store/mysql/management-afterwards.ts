import type { Database } from "./database.ts";

/** How far work is that takes long: what is counted, how much of it is done, and how much there is where somebody knows. */
export type TellProgress = (what: string, done: number, all?: number) => void;

/** @param looked told after each portion: at how many people's invitations it looked */
export type Later = (database: Database, looked: (more: number) => void) => Promise<void>;

/**
 * Puts off what may take long and may be done twice until the change is committed: while it is made nobody else can change anything,
 * and posts to its room wait.
 */
export type Afterwards = (work: Later) => void;

/** What was put off, one after the other. */
export async function finish(
  database: Database,
  left: readonly Later[],
  onProgress: TellProgress = () => {},
): Promise<void> {
  let looked = 0;
  for (const later of left)
    await later(database, (more) => {
      looked += more;
      onProgress("invitations", looked);
    });
}
