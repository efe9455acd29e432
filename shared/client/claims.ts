import { QueueError } from "./errors.ts";
import type { Claim, ClaimAsk } from "./calls.ts";
import type { QueueClient } from "./queue-client.ts";

/**
 * Claims under one claim_id until there is an answer, over any number of
 * calls: a task whose reply was lost comes again under the same lease, so no
 * worker ever holds a task that it does not know about.
 */
export function repeatingClaim(
  client: Pick<QueueClient, "claim">,
  ask: Omit<ClaimAsk, "claim_id">,
  newId: () => string,
): () => Promise<Claim | null> {
  let unanswered: string | undefined;
  return async () => {
    const claim_id = unanswered ??= newId();
    try {
      const claim = await client.claim({ ...ask, claim_id });
      unanswered = undefined;
      return claim;
    } catch (error) {
      // A refusal is an answer too: nothing was handed out.
      if (error instanceof QueueError) unanswered = undefined;
      throw error;
    }
  };
}
