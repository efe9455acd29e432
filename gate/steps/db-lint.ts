import { command } from "../command.ts";
import { skips } from "../outcome.ts";
import type { StackStep } from "../step.ts";

/** `supabase db lint`: what plpgsql_check finds in functions. */
export const dbLint: StackStep = {
  name: "db-lint",
  run(context) {
    if (!context.server.hasLint) {
      return Promise.resolve(skips("npm's Postgres has no plpgsql_check"));
    }
    return command(
      context,
      "supabase",
      ...["db", "lint", "--schema", "public,queue"],
      ...["--level", "warning", "--fail-on", "warning"],
      `--remote=${context.stack.dbUrl}?sslmode=disable`,
    );
  },
};
