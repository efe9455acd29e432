import type { DumpEntry } from "../equality/dump-entries.ts";
import { differences } from "../equality/differences.ts";
import { describeDatabase, obstacleToDumping } from "../equality/dump.ts";
import { applyMigrations } from "../equality/apply.ts";
import { makeThrowAwayDatabase } from "../equality/throw-away-database.ts";
import { type Outcome, passesWithout, skips, total } from "../outcome.ts";
import { prove } from "../prove.ts";
import type { StackContext, StackStep } from "../step.ts";

/**
 * Supabase projects differ in what new tables are granted by default. The
 * stack has the generous way; here the strict one must give the same database.
 */
export const closedByDefault: StackStep = {
  name: "closed-by-default",
  async run(context) {
    const strict = await makeThrowAwayDatabase(
      context.workDir,
      "strict",
      false,
    );
    try {
      await applyMigrations(context, strict.url);
      const same = await compare(context, strict.url);
      const rules = await prove(context, strict.url, [
        "supabase/tests/000_helpers.test.sql",
        "supabase/tests/schema",
      ]);
      return total([same, rules]);
    } finally {
      await strict.discard();
    }
  },
};

async function compare(
  { run, server, stack }: StackContext,
  strictUrl: string,
): Promise<Outcome> {
  const obstacle = await obstacleToDumping(run, server.major);
  if (obstacle) return skips(`${closedByDefault.name}, the dumps: ${obstacle}`);
  return passesWithout(differences(
    withoutDefaults(await describeDatabase(run, stack.dbUrl)),
    withoutDefaults(await describeDatabase(run, strictUrl)),
    { left: "auto_expose_new_tables on", right: "off" },
  ));
}

/** The defaults themselves are what differs. */
function withoutDefaults(entries: readonly DumpEntry[]): DumpEntry[] {
  return entries.filter(({ title }) =>
    !/Type: DEFAULT ACL; Schema: public/.test(title)
  );
}
