import {
  type PostgresServer,
  serversHere,
} from "../../stack/postgres-server.ts";
import { withBoth } from "../equality/both-grants.ts";
import { describeCatalog } from "../equality/catalog.ts";
import { differences, type Entry } from "../equality/differences.ts";
import { findPlanted } from "../equality/find-planted.ts";
import { PLANTED } from "../equality/planted.ts";
import { type Outcome, passesWithout, skips, total } from "../outcome.ts";
import { prove } from "../prove.ts";
import type { CheckoutContext, CheckoutStep } from "../step.ts";

const SIDES = { left: "auto_expose_new_tables on", right: "off" };

/** The defaults themselves, of tables, functions and sequences, do differ. */
const DEFAULTS = /default privileges of postgres in public/;
const DEFAULTS_THAT_DIFFER = 3;

/**
 * Supabase projects differ in what new tables are granted by default. Either
 * way must give the same database, on every Postgres that is here.
 */
export const closedByDefault: CheckoutStep = {
  name: "closed-by-default",
  async run(context) {
    const { servers, obstacle } = serversHere();
    const outcomes: Outcome[] = obstacle
      ? [skips(`${closedByDefault.name} on ${obstacle}`)]
      : [];
    for (const server of servers) outcomes.push(await check(context, server));
    return total(outcomes);
  },
};

function check(
  context: CheckoutContext,
  server: PostgresServer,
): Promise<Outcome> {
  return withBoth(
    server,
    context,
    async ({ url: generous }, { url: strict }) =>
      total([
        sameBut(
          await describeCatalog(generous),
          await describeCatalog(strict),
          server,
        ),
        await prove({ ...context, server }, strict, [
          "supabase/tests/000_helpers.test.sql",
          "supabase/tests/001_fleet_words.test.sql",
          "supabase/tests/schema",
        ]),
        await findPlanted(
          PLANTED,
          [generous, strict],
          describeCatalog,
        ),
      ]),
  );
}

/** Nothing may differ but the defaults, and they have to: else it is one mode. */
function sameBut(
  generous: readonly Entry[],
  strict: readonly Entry[],
  { major }: PostgresServer,
): Outcome {
  const found = differences(generous, strict, SIDES);
  const defaults = found.filter((one) => DEFAULTS.test(one));
  const complaints = found.filter((one) => !DEFAULTS.test(one));
  if (defaults.length !== DEFAULTS_THAT_DIFFER) {
    complaints.push(`Defaults that differ: ${defaults.join(", ") || "none"}`);
  }
  return passesWithout(complaints.map((one) => `Postgres ${major}: ${one}`));
}
