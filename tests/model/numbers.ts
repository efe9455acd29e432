// The settings of every run, in seconds. No sum of ticks (multiples of 30) meets
// a limit exactly, so that the instant of a deadline decides nothing.

/** How long the clock may move at once. */
export const TICKS = [30, 90, 450, 930, 4_500, 86_400] as const;

/** A silent gpu worker counts as gone. */
export const GPU_SILENCE = 105;
/** A silent api worker counts as gone. */
export const API_SILENCE = 435;
/** A silent machine of a user counts as gone. */
export const TOKEN_SILENCE = 3_495;
/** A task that its beating worker never named did not arrive. */
export const UNDELIVERED = 915;
/** A task that was never started is stale. */
export const STALE_AFTER = 7 * 86_400 + 15;
/** A task whose dependency cannot come any more is cancelled. */
export const DEPENDENCY_GRACE = 3_645;
/** A family that reported nothing has nothing left to enqueue. */
export const FAMILY_QUIET = 615;
/** After a failure a task waits for at most this long, and for less than a tick. */
export const RETRY_DELAY = 20;
/** How often a start of a task is taken off again. */
export const MAX_FREE_RETURNS = 2;
/** A claim that was held up on its way comes no later. */
export const LATE_REPEAT = 60;
/** How long a start counts that others ended. */
export const HELD_LIMIT = 585;
/** How long it still counts for the turn once its holder has let go. */
export const TURN_MEMORY = 75;
/** How many tasks a user may run at first. */
export const TASK_LIMIT = 2;
/** How often a task may be started. */
export const MAX_ATTEMPTS = 2;
/** What a task that is enqueued old is aged, just short of stale. */
export const OLD_AGE = STALE_AFTER - 45;

/** How many users there are. */
export const OWNERS = 2;
/** How many workers of the fleet have a row; the next one appears by its beat. */
export const KNOWN_WORKERS = 2;
