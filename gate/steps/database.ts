import { prove } from "../prove.ts";
import type { StackStep } from "../step.ts";

/** The pgTAP tests; the helpers' file sorts first and stays installed. */
export const database: StackStep = {
  name: "database",
  run: (context) => prove(context, context.stack.dbUrl, ["supabase/tests"]),
};
