import type { Incarnation } from "../src/sip/dialog.ts";

/** Where requests of dialogs go that another life of a node has issued; told to Kamailio once, and anew to each of its lives. */
export class Homes {
  private readonly homes = new Map<Incarnation, string>();
  /** Rises with every home; what was told is what the call that told it had begun with. */
  private version = 0;
  private toldVersion = 0;

  set(issuer: Incarnation, node: string): void {
    this.homes.set(issuer, node);
    this.version += 1;
  }

  /** Another life of Kamailio knows none. */
  forget(): void {
    this.toldVersion = 0;
  }

  /** What a call has to tell; undefined when all is known. `told` is called once it got through. */
  toTell(): { readonly homes: ReadonlyMap<Incarnation, string>; readonly told: () => void } | undefined {
    const { version } = this;
    if (version === this.toldVersion) return undefined;
    const told = () => {
      this.toldVersion = version;
    };
    return { homes: this.homes, told };
  }
}
