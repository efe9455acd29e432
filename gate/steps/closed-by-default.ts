import type { DumpEntry } from "../equality/dump-entries.ts";
import { differences } from "../equality/differences.ts";
import { describeDatabase } from "../equality/dump.ts";
import { applyMigrations } from "../equality/apply.ts";
import { makeThrowAwayDatabase } from "../equality/throw-away-database.ts";
import { passesWithout, total } from "../outcome.ts";
import { prove } from "../prove.ts";
import type { StackStep } from "../step.ts";

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
      const { run, stack } = context;
      const found = differences(
        withoutDefaults(await describeDatabase(run, stack.dbUrl)),
        withoutDefaults(await describeDatabase(run, strict.url)),
        { left: "auto_expose_new_tables on", right: "off" },
      );
      const rules = await prove(context, strict.url, [
        "supabase/tests/000_helpers.test.sql",
        "supabase/tests/schema",
      ]);
      return total([passesWithout(found), rules]);
    } finally {
      await strict.discard();
    }
  },
};

/** The defaults themselves are what differs. */
function withoutDefaults(entries: readonly DumpEntry[]): DumpEntry[] {
  return entries.filter(({ title }) =>
    !/Type: DEFAULT ACL; Schema: public/.test(title)
  );
}
