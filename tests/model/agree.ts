import type { Command } from "./commands.ts";
import { expectAgreement, expectBounded, expectPromises } from "./expect.ts";
import { countedFor, play } from "./play.ts";
import { emptyState } from "./state.ts";
import { stepsOf, takeStep } from "./step.ts";
import { placeOf } from "./worlds/ids.ts";

/** Plays a run on the queue and on the model; throws where they part. */
export async function expectBothAgree(
  commands: readonly Command[],
): Promise<void> {
  const steps = stepsOf(commands);
  const seen = await play(steps);
  const state = emptyState();
  const handedOut = new Map<string, number>();
  for (const [index, step] of steps.entries()) {
    const after = seen[index];
    if (after === undefined) throw new Error(`Nothing seen of step ${index}`);
    try {
      const answer = takeStep(state, step, placeOf(after.answer));
      expectAgreement(
        state,
        answer,
        after,
        countedFor(index, steps.length),
      );
      expectPromises(step, state, seen[index - 1], after);
      expectBounded(step, state, after, handedOut);
    } catch (error) {
      const where = `Step ${index}: ${JSON.stringify(step.command)}`;
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${where}\n${why}`, { cause: error });
    }
  }
}
