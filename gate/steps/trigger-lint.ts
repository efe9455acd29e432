import { passesWithout, skips } from "../outcome.ts";
import { query } from "../query.ts";
import type { StackStep } from "../step.ts";

/** What plpgsql_check says of each trigger function, on each of its tables. */
const FINDINGS = `
  select format('%s on %s: %s', p.oid::regprocedure, t.tgrelid::regclass, f)
    as finding
  from pg_catalog.pg_trigger as t
    join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    join pg_catalog.pg_language as l on l.oid = p.prolang
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    cross join lateral extensions.plpgsql_check_function(
      p.oid, t.tgrelid, oldtable => t.tgoldtable, newtable => t.tgnewtable
    ) as f
  where l.lanname = 'plpgsql'
    and n.nspname in ('public', 'fairlane_core')
    and not t.tgisinternal
`;

/** `supabase db lint` skips trigger functions, so they are linted here. */
export const triggerLint: StackStep = {
  name: "trigger-lint",
  async run({ stack, server }) {
    if (!server.hasLint) return skips("npm's Postgres has no plpgsql_check");
    const rows = await query<{ finding: string }>(stack.dbUrl, FINDINGS);
    return passesWithout(rows.map((row) => row.finding));
  },
};
