/** How one kind of request is repeated. */
export interface RetryRule {
  /** One try is given up after this. */
  readonly timeoutMs: number;
  /** No further try begins later than this after the first. */
  readonly patienceMs: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/**
 * Which request is repeated for how long. Every one of them may be: claims by
 * their claim_id, new tasks by their id, endings by their lease, the rest
 * because saying it twice changes nothing.
 */
export const RETRY_RULES = {
  claim: { timeoutMs: 15 * SECOND, patienceMs: 30 * SECOND },
  /** The next one comes anyway, and knows more. */
  beat: { timeoutMs: 10 * SECOND, patienceMs: 0 },
  report: { timeoutMs: 30 * SECOND, patienceMs: MINUTE },
  create: { timeoutMs: 45 * SECOND, patienceMs: 2 * MINUTE },
  read: { timeoutMs: 30 * SECOND, patienceMs: 30 * SECOND },
  /** Behind it stands the work of minutes, on a machine that costs money. */
  end: { timeoutMs: MINUTE, patienceMs: 10 * MINUTE },
} as const satisfies Record<string, RetryRule>;

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 20 * SECOND;

/**
 * The pause after try number `tries`: half a second, doubled each time, at
 * most 20 s, less up to half of it at random, so that a fleet that lost its
 * server together does not come back together. Never less than Retry-After.
 */
export function pauseAfter(
  tries: number,
  random: () => number,
  retryAfterMs = 0,
): number {
  const whole = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS);
  return retryAfterMs + whole * (1 - random() / 2);
}

/** Statuses that speak of the moment, not of the request. */
const MOMENTARY = new Set([408, 425, 429]);

/**
 * Whether a failure that does not carry the queue's own code is worth another
 * try: gateways, limits and dying workers answer so, and whether the request
 * was carried out is then unknown.
 */
export function isMomentary(status: number): boolean {
  return status >= 500 || MOMENTARY.has(status);
}
