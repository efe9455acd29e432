import type postgres from "postgres";
import type { Pace } from "../pace.ts";

/** Settings that go with the speed of the demo. */
export interface HurriedSettings {
  /** A worker that was not heard of for so long is lost. */
  readonly silentSeconds: number;
  /** Puts them back, for a stack that goes on. */
  restore(): Promise<void>;
}

/**
 * The shortest silence that means something: a worker of the demo is a timer on
 * a machine that does other things too, and may be late by seconds.
 */
const LEAST_SILENCE_S = 10;

/**
 * Divides the queue's own limits by the speed of the demo, so that they stay to
 * its beats and its work what they are in production (see Pace); the silence
 * only as far as it can be told from a busy machine.
 */
export async function hurry(
  sql: postgres.Sql,
  { speed }: Pace,
): Promise<HurriedSettings> {
  const [before] = await sql<
    { silence: string; delay: string; seconds: number }[]
  >`
    select
      gpu_heartbeat_timeout::text as silence, retry_delay::text as delay,
      extract(epoch from gpu_heartbeat_timeout)::double precision as seconds
    from fairlane_core.settings
  `;
  if (before === undefined) throw new Error("The queue has no settings");
  const { silence, delay } = before;
  const silentSeconds = Math.max(before.seconds / speed, LEAST_SILENCE_S);
  await sql`
    update fairlane_core.settings
    set gpu_heartbeat_timeout = ${silentSeconds} * interval '1 second',
      retry_delay = retry_delay / ${speed}::numeric
  `;
  return {
    silentSeconds,
    async restore() {
      await sql`
        update fairlane_core.settings
        set gpu_heartbeat_timeout = ${silence}::interval,
          retry_delay = ${delay}::interval
      `;
    },
  };
}
