import { admin } from "../../support/db.ts";

const MOST = 60;

/**
 * Which tasks workers of the fleet that hold nothing would get, one claim after
 * the other; nothing is taken. Orchestration comes first: it needs a free slot
 * and takes none, and counts have it beside what fills the slots.
 */
export async function whatClaimsTake(pool: string): Promise<Set<string>> {
  const taken = new Set<string>();
  const back = new Error("Nothing is taken");
  await admin().begin(async (sql) => {
    await sql`
      update public.tasks set priority = priority + 900
      where status = 'Queued' and not takes_slot
    `;
    for (let fresh = 0; fresh < MOST; fresh++) {
      const [row] = await sql<{ id: string | null }[]>`
        select public.claim_next_task(
          p_caller => '{"kind":"service"}', p_worker_id => ${`fresh-${fresh}`},
          p_run_type => ${pool}
        ) ->> 'task_id' as id
      `;
      if (row?.id == null) break;
      taken.add(row.id);
    }
    throw back;
  }).catch((error: unknown) => {
    if (error !== back) throw error;
  });
  return taken;
}
