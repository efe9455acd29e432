import { command } from "../command.ts";
import type { StackStep } from "../step.ts";

/** `supabase db lint`: what plpgsql_check finds in functions. */
export const dbLint: StackStep = {
  name: "db-lint",
  run: (context) =>
    command(
      context,
      "supabase",
      ...["db", "lint", "--schema", "public,queue"],
      ...["--level", "warning", "--fail-on", "warning"],
      `--remote=${context.stack.dbUrl}?sslmode=disable`,
    ),
};
