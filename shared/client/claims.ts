import { Refused } from "./errors.ts";
import type { Claim, ClaimAsk } from "./calls.ts";
import type { QueueClient } from "./queue-client.ts";

/**
 * Claims under one claim_id until there is an answer, over any number of
 * calls: a task that was handed out into a lost reply comes again, under the
 * same lease, and nothing is ever held by a worker that does not know of it.
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
      // A refusal is an answer, too: nothing was handed out.
      if (error instanceof Refused) unanswered = undefined;
      throw error;
    }
  };
}
