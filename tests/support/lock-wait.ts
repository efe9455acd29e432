import { admin } from "./db.ts";

/**
 * How long claims wait for somebody else's transaction. Tests that hold a lock
 * until a claim waits for it allow more than any machine needs.
 */
export async function setLockWait(interval = "1 minute"): Promise<void> {
  await admin()`
    update queue.settings set max_lock_wait = ${interval}::text::interval
  `;
}

/** As shipped. */
export async function resetLockWait(): Promise<void> {
  await admin()`update queue.settings set max_lock_wait = default`;
}

/**
 * Repeats a call until it is answered, as clients do: one that waits longer for
 * another session than functions may is told to come again.
 */
export async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { detail } = error as { detail?: unknown };
      if (detail !== "UNAVAILABLE") throw error;
    }
  }
}
