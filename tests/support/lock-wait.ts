import { admin } from "./db.ts";

/**
 * How long claims, reports and the rest wait for somebody else's transaction.
 * Tests that hold a lock until a call waits for it, or let many meet on one,
 * allow more than any machine needs.
 */
export async function setLockWait(interval = "1 minute"): Promise<void> {
  await admin()`
    update fairlane_core.settings
    set max_lock_wait = ${interval}::text::interval, max_report_wait = ${interval}::text::interval
  `;
}

/** As shipped. */
export async function resetLockWait(): Promise<void> {
  await admin()`
    update fairlane_core.settings set max_lock_wait = default, max_report_wait = default
  `;
}
