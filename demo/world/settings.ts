import type postgres from "postgres";
import type { Pace } from "../pace.ts";

/**
 * Divides the queue's own limits by the speed of the demo, so that they stay to
 * its beats and its work what they are in production (see Pace). Returns what
 * puts them back, for a stack that goes on.
 */
export async function hurry(
  sql: postgres.Sql,
  { speed }: Pace,
): Promise<() => Promise<void>> {
  const [before] = await sql<{ silence: string; delay: string }[]>`
    select gpu_silence_limit::text as silence, retry_delay::text as delay
    from queue.settings
  `;
  if (before === undefined) throw new Error("The queue has no settings");
  await sql`
    update queue.settings
    set gpu_silence_limit = gpu_silence_limit / ${speed}::numeric,
      retry_delay = retry_delay / ${speed}::numeric
  `;
  return async () => {
    await sql`
      update queue.settings
      set gpu_silence_limit = ${before.silence}::interval,
        retry_delay = ${before.delay}::interval
    `;
  };
}
