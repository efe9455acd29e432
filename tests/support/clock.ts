import { admin } from "./db.ts";

/**
 * Moves the queue's clock, and with it every deadline.
 *
 * @example await stepClock("101 seconds")
 */
export async function stepClock(interval: string): Promise<void> {
  await admin()`
    update fairlane_core.settings set clock_offset = clock_offset + ${interval}::interval
  `;
}

/** Puts the queue's clock back; call it after each test that moved it. */
export async function resetClock(): Promise<void> {
  await admin()`update fairlane_core.settings set clock_offset = interval '0'`;
}
