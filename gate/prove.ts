import { fails, type Outcome, total } from "./outcome.ts";
import type { CheckoutContext } from "./step.ts";
import { parseTap } from "./tap-result.ts";

/** Runs pgTAP files and folders, in the order given, with pg_prove. */
export async function prove(
  { run }: CheckoutContext,
  url: string,
  paths: readonly string[],
): Promise<Outcome> {
  const { ok, output } = await run("pg_prove", [
    ...["--norc", "--nocolor", "--verbose", "--merge"],
    // Only the last ending counts for pg_prove: longer ones mean Perl.
    ...["--ext", ".sql", "--recurse", "--dbname", url],
    ...paths,
  ], { env: { PGOPTIONS: "-c client_min_messages=warning" } });
  const outcome = parseTap(output);
  const isExplained = outcome.failed > 0 || (ok && outcome.passed > 0);
  return isExplained ? outcome : total([outcome, fails(output)]);
}
