import { SETTING_NAMES, type SettingValues, settingsInEffect } from "../chat/setting.ts";
import type { SettingStore } from "../management/ports.ts";
import { OneAfterAnother } from "./one-after-another.ts";

/** What holds on this node: what is set at run time, else what its file says. Asked anew each time it is needed. */
export class Settings {
  private readonly store: SettingStore;
  private readonly inFile: SettingValues;
  private readonly onChange: (changed: Partial<SettingValues>) => void;
  private readonly reading = new OneAfterAnother<"all">(() => this.readNow());
  private inEffect: SettingValues;

  constructor(
    store: SettingStore,
    inFile: SettingValues,
    onChange: (changed: Partial<SettingValues>) => void,
  ) {
    this.store = store;
    this.inFile = inFile;
    this.onChange = onChange;
    this.inEffect = inFile;
  }

  get now(): SettingValues {
    return this.inEffect;
  }

  /** As it is in the store at the time of the call, or later. */
  read(): Promise<void> {
    return this.reading.run("all");
  }

  private async readNow(): Promise<void> {
    const before = this.inEffect;
    const now = settingsInEffect(await this.store.settings(), this.inFile);
    this.inEffect = now;
    const changed = SETTING_NAMES.filter((name) => now[name] !== before[name]);
    if (changed.length > 0) this.onChange(Object.fromEntries(changed.map((name) => [name, now[name]])));
  }
}
