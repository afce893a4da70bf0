/**
 * Says something once a minute at most, and how often it happened in between: a stranger must not be able to fill the log.
 * @param say gets the latest details and the number of times since it was last said
 */
export function nowAndThen<Details extends object>(
  say: (details: Details, times: number) => void,
  periodMs = 60_000,
) {
  let saidMs = Number.NEGATIVE_INFINITY;
  let times = 0;
  return (details: Details): void => {
    times += 1;
    const nowMs = performance.now();
    if (nowMs - saidMs < periodMs) return;
    say(details, times);
    saidMs = nowMs;
    times = 0;
  };
}
