import { z } from "zod";
import type { Claim } from "../../shared/client/calls.ts";
import type { QueueClient } from "../../shared/client/queue-client.ts";

const TravelJob = z.looseObject({
  orchestrator_details: z.looseObject({
    run_id: z.string(),
    num_new_segments_to_generate: z.int().min(1),
  }),
});

/**
 * Enqueues the children of a travel job: its segments, each of which begins
 * where the one before ends, and the stitch behind them. Their keys make it safe
 * to run twice: what is there already is answered, not made again.
 */
export async function enqueueChildren(
  client: QueueClient,
  { task_id: parent, project_id, params }: Claim,
): Promise<string> {
  const { run_id, num_new_segments_to_generate: segments } =
    TravelJob.parse(params).orchestrator_details;
  const child = async (
    task_type: string,
    part: Readonly<Record<string, number>>,
    after: string | null,
  ) => {
    const { task_id } = await client.create({
      task_type,
      project_id,
      dependant_on: after,
      idempotency_key: `${parent} ${task_type} ${JSON.stringify(part)}`,
      params: {
        orchestrator_task_id_ref: parent,
        orchestrator_run_id: run_id,
        ...part,
      },
    });
    return task_id;
  };
  let last: string | null = null;
  for (let index = 0; index < segments; index++) {
    last = await child("travel_segment", { segment_index: index }, last);
  }
  await child("travel_stitch", { expected_segments: segments }, last);
  return `${segments} segments and a stitch`;
}

/** The orchestrator that a child names. */
export function parentOf({ params }: Claim): string | undefined {
  return z.guid().optional().catch(undefined)
    .parse(params["orchestrator_task_id_ref"]);
}
