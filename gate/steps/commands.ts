import { fails, type Outcome, passes, skips } from "../outcome.ts";
import type { CheckoutContext, CheckoutStep, StackStep } from "../step.ts";

/** Every file is formatted as deno.json says. */
export const format: CheckoutStep = {
  name: "fmt",
  run: (context) => command(context, "deno", "fmt", "--check"),
};

/** No file has a finding of `deno lint`. */
export const lint: CheckoutStep = {
  name: "lint",
  run: (context) => command(context, "deno", "lint"),
};

/** Everything that Node runs has sound types. */
export const typesNode: CheckoutStep = {
  name: "types-node",
  run: (context) => command(context, "tsc", "--project", "tsconfig.json"),
};

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

/** `supabase db lint`: what plpgsql_check finds in functions. */
export const dbLint: StackStep = {
  name: "db-lint",
  async run(context) {
    if (!context.server.hasLint) {
      return skips("npm's Postgres has no plpgsql_check");
    }
    return await command(
      context,
      "supabase",
      ...["db", "lint", "--schema", "public,fairlane_core"],
      ...["--level", "warning", "--fail-on", "warning"],
      `--remote=${context.stack.dbUrl}?sslmode=disable`,
    );
  },
};

/** A check that is one program: green when it exits with 0. */
async function command(
  { run }: CheckoutContext,
  program: string,
  ...args: readonly string[]
): Promise<Outcome> {
  const { ok, output } = await run(program, args);
  return ok ? passes() : fails(output);
}
