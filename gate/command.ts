import { fails, type Outcome, passes } from "./outcome.ts";
import type { CheckoutContext } from "./step.ts";

/** A check that is one program: green when it exits with 0. */
export async function command(
  { run }: CheckoutContext,
  program: string,
  ...args: readonly string[]
): Promise<Outcome> {
  const { ok, output } = await run(program, args);
  return ok ? passes() : fails(output);
}
