import { type CallCount, sumOf } from "../function-calls.ts";
import { fails, passesWithout, total } from "../outcome.ts";
import type { LastStep } from "../step.ts";

/**
 * Every function was executed by some test, and those of the API as the roles
 * that call them: Postgres looks into a function's body only when it runs.
 *
 * SQL functions that the planner inlines would not be counted. There is none:
 * a pinned search_path, which each function must have, prevents it.
 */
export const functionsExecuted: LastStep = {
  name: "functions-executed",
  async run(contexts) {
    const counts = sumOf(
      await Promise.all(
        contexts.map(({ functionCalls }) => functionCalls.read()),
      ),
    );
    if (counts.length === 0) return fails("The database has no function");
    return total(counts.map((count) => passesWithout(complaintsAbout(count))));
  },
};

/**
 * Functions that end in an exception, always: Postgres counts a call when it
 * returns. What they raise is seen by every test of a refusal.
 */
const NEVER_RETURN: ReadonlySet<string> = new Set([
  "fairlane_core.projects_before_write()",
  "fairlane_core.refuse(integer,text,text,text)",
  "fairlane_core.refuse_while_locked()",
  "fairlane_core.update_shot_pair_prompts(jsonb)",
  "update_shot_pair_prompts(jsonb)",
]);

/** What is wrong with how often a function was executed. */
export function complaintsAbout(
  { name, isApi, calls, callsOverHttp }: CallCount,
): string[] {
  if (NEVER_RETURN.has(name)) return [];
  if (calls === 0) return [`No test executes ${name}`];
  if (isApi && callsOverHttp === 0) {
    return [`No request to the API executes ${name}; only SQL does`];
  }
  return [];
}
