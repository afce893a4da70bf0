/**
 * Work by key that never runs beside itself. Asked for while it runs, it runs once more when it is done, however often it was
 * asked for: whoever asks gets a run that began after he asked.
 */
export class OneAfterAnother<Key> {
  private readonly work: (key: Key) => Promise<void>;
  private readonly running = new Map<Key, { now: Promise<void>; next: Promise<void> | undefined }>();

  constructor(work: (key: Key) => Promise<void>) {
    this.work = work;
  }

  run(key: Key): Promise<void> {
    const known = this.running.get(key);
    if (!known) return this.begin(key);
    known.next ??= known.now.then(
      () => this.begin(key),
      () => this.begin(key),
    );
    return known.next;
  }

  private begin(key: Key): Promise<void> {
    const entry: { now: Promise<void>; next: Promise<void> | undefined } = {
      now: Promise.resolve(),
      next: undefined,
    };
    this.running.set(key, entry);
    entry.now = this.work(key).finally(() => {
      if (!entry.next) this.running.delete(key);
    });
    return entry.now;
  }
}
