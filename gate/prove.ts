import type { PostgresServer } from "../stack/postgres-server.ts";
import { fails, type Outcome, total } from "./outcome.ts";
import type { CheckoutContext } from "./step.ts";
import { smallPgProve } from "./tap/small-pg-prove.ts";
import { parseTap } from "./tap-result.ts";

/** What proving needs to know of a step's context. */
type Prover = Pick<CheckoutContext, "root" | "run"> & {
  readonly server: PostgresServer;
};

/** Runs pgTAP files and folders, in the order given. */
export async function prove(
  { root, run, server }: Prover,
  url: string,
  paths: readonly string[],
): Promise<Outcome> {
  if (!server.hasPgProve) return judge(await smallPgProve(root, url, paths));
  const { ok, output } = await run("pg_prove", [
    ...["--norc", "--nocolor", "--verbose", "--merge"],
    // Only the last ending counts for pg_prove: longer ones mean Perl.
    ...["--ext", ".sql", "--recurse", "--dbname", url],
    ...paths,
  ], { env: { PGOPTIONS: "-c client_min_messages=warning" } });
  return judge(output, ok);
}

/** A run without a test, or one that failed without saying so, is a failure. */
function judge(output: string, ok = true): Outcome {
  const outcome = parseTap(output);
  const isExplained = outcome.failed > 0 || (ok && outcome.passed > 0);
  return isExplained ? outcome : total([outcome, fails(output)]);
}
