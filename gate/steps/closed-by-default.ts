import {
  type PostgresServer,
  serversHere,
} from "../../stack/postgres-server.ts";
import { withBoth } from "../equality/both-grants.ts";
import { differences } from "../equality/differences.ts";
import type { DumpEntry } from "../equality/dump-entries.ts";
import { findPlanted } from "../equality/find-planted.ts";
import { PLANTED, type Planted } from "../equality/planted.ts";
import { describeWholeCatalog } from "../equality/whole-catalog.ts";
import { type Outcome, passesWithout, skips, total } from "../outcome.ts";
import { prove } from "../prove.ts";
import type { CheckoutContext, CheckoutStep } from "../step.ts";

const SIDES = { left: "auto_expose_new_tables on", right: "off" };

/** The defaults themselves, of tables, functions and sequences, do differ. */
const DEFAULTS = /default privileges of postgres in public/;
const DEFAULTS_THAT_DIFFER = 3;

/** What has to be seen where rights are compared. */
const PLANTED_RIGHTS: readonly Planted[] = [
  {
    what: "a right on a schema",
    object: "schema queue",
    common: "",
    change: "grant usage on schema queue to anon",
  },
  {
    what: "a default for what is made later",
    object: "default privileges of postgres in queue",
    common: "",
    change:
      "alter default privileges in schema queue grant select on tables to anon",
  },
];

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
          await describeWholeCatalog(generous),
          await describeWholeCatalog(strict),
          server,
        ),
        await prove({ ...context, server }, strict, [
          "supabase/tests/000_helpers.test.sql",
          "supabase/tests/001_fleet_words.test.sql",
          "supabase/tests/schema",
        ]),
        await findPlanted(
          [...PLANTED, ...PLANTED_RIGHTS],
          [generous, strict],
          describeWholeCatalog,
        ),
      ]),
  );
}

/** Nothing may differ but the defaults, and they have to: else it is one mode. */
function sameBut(
  generous: readonly DumpEntry[],
  strict: readonly DumpEntry[],
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
