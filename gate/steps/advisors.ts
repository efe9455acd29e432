import { command } from "../command.ts";
import type { StackStep } from "../step.ts";

/** Supabase's advisors on security and performance have nothing to warn of. */
export const advisors: StackStep = {
  name: "advisors",
  run: (context) =>
    command(
      context,
      "supabase",
      ...["db", "advisors", "--type", "all"],
      ...["--level", "warn", "--fail-on", "warn"],
      `--remote=${context.stack.dbUrl}?sslmode=disable`,
    ),
};
