import { pauseJobs } from "../../tests/support/pause-jobs.ts";
import type { Outcome } from "../outcome.ts";
import { prove } from "../prove.ts";
import type { StackContext, StackStep } from "../step.ts";

/** What proving needs: a database, and what runs it. */
type Proven = Pick<StackContext, "root" | "run" | "server"> & {
  readonly stack: Pick<StackContext["stack"], "dbUrl" | "adminDbUrl">;
};

/** The pgTAP tests; the helpers' file sorts first and stays installed. */
export const database: StackStep = {
  name: "database",
  run: proveDatabase,
};

/** The same on Postgres 17 under strict grants. */
export const databaseAsHosted: StackStep = {
  name: "database-as-hosted",
  run: proveDatabase,
};

/** Runs all pgTAP tests on the context's stack. */
export async function proveDatabase(context: Proven): Promise<Outcome> {
  // One that runs just then has the lock that a test of it wants.
  await pauseJobs(context.stack.adminDbUrl);
  return await prove(context, context.stack.dbUrl, ["supabase/tests"]);
}
