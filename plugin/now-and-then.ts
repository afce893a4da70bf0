/**
 * Says something at most so often in a minute, and then how many times it kept silent: a stranger must not be able to fill the log.
 * @param say gets the details and the number of times that nothing was said before
 */
export function nowAndThen<Details extends object>(
  say: (details: Details, unsaid: number) => void,
  { most = 60, periodMs = 60_000 } = {},
) {
  let periodStartMs = Number.NEGATIVE_INFINITY;
  let said = 0;
  let unsaid = 0;
  return (details: Details): void => {
    const nowMs = performance.now();
    if (nowMs - periodStartMs >= periodMs) {
      periodStartMs = nowMs;
      said = 0;
    }
    if (said >= most) {
      unsaid += 1;
      return;
    }
    said += 1;
    say(details, unsaid);
    unsaid = 0;
  };
}
