import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chosenServer, postgresServer } from "../../stack/postgres-server.ts";
import { runSqlFiles } from "../../stack/sql.ts";
import { describeCatalog } from "../equality/catalog.ts";
import { differences } from "../equality/differences.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../equality/throw-away-database.ts";
import { guestMigration } from "../migrations/guest.ts";
import { asGuest } from "../migrations/profiles.ts";
import { type Outcome, passesWithout, total } from "../outcome.ts";
import { query } from "../query.ts";
import type { CheckoutContext, CheckoutStep } from "../step.ts";
import { proveAsGuest } from "./guest-tests.ts";

/**
 * The guest profile in a project that has tables and functions of the fleet's
 * names: they stay as they are; what comes is closed, lints and runs.
 */
export const guest: CheckoutStep = {
  name: "guest",
  async run(context) {
    // The generous grants: here a forgotten `revoke` is found.
    const generous = { server: chosenServer(), exposeNewTables: true };
    return await asGuestOf(context, generous, async ({ url, adminUrl }) => {
      await query(url, asGuest(FAMILY));
      const ended = await query<{ ended: string }>(url, asGuest(HOW_IT_ENDED));
      const found = ended.map((row) => row.ended).join("; ");
      const expected = "Complete, https://whole; local work is local_disabled";
      const excess = await query<{ what: string }>(url, EXCESS);
      const lint = await context.run("supabase", [
        ...["db", "lint", "--schema", "fairlane,fairlane_core"],
        // A replaceable function need not use all that it is given.
        ...["--level", "error", "--fail-on", "error"],
        `--remote=${url}?sslmode=disable`,
      ]);
      await query(adminUrl, "drop extension pg_cron");
      await query(url, "select fairlane_core.rebuild()");
      const made = await query<{ what: string }>(url, MADE);
      return total([
        passesWithout(found === expected ? [] : [`the family: ${found}`]),
        passesWithout(made.map(({ what }) => what)),
        passesWithout(excess.map(({ what }) => what)),
        passesWithout(lint.ok ? [] : [lint.output]),
      ]);
    });
  },
};

/** pgTAP on a guest's database, on Postgres 17 under strict grants. */
export const databaseOfAGuest: CheckoutStep = {
  name: "database-of-a-guest",
  async run(context) {
    const server = postgresServer(17);
    const strict = { server, exposeNewTables: false };
    return await asGuestOf(
      context,
      strict,
      ({ url }) => proveAsGuest({ ...context, server }, url),
    );
  },
};

/** Adds the queue to an app that has the fleet's names, and looks at what is not ours. */
async function asGuestOf(
  context: CheckoutContext,
  { server, exposeNewTables }: {
    server: ReturnType<typeof postgresServer>;
    exposeNewTables: boolean;
  },
  use: (database: ThrowAwayDatabase) => Promise<Outcome>,
): Promise<Outcome> {
  const { workDir, root } = context;
  const name = `guest-${server.major}`;
  const database = await makeThrowAwayDatabase(
    workDir,
    name,
    exposeNewTables,
    { server },
  );
  try {
    await query(database.url, APP);
    const before = await describeCatalog(database.url);
    const file = join(workDir, `${name}.sql`);
    writeFileSync(file, guestMigration(root));
    await runSqlFiles(database.postgres, { role: "postgres" }, [file]);
    const after = await describeCatalog(database.url);
    const others = after.filter(({ title }) => !OURS.test(title));
    const outcome = await use(database);
    const sides = { left: "the app before", right: "the app after" };
    return total([
      passesWithout(differences(before, others, sides)),
      outcome,
    ]);
  } finally {
    await database.discard();
  }
}

/** A restore makes nothing that the guest has not asked for: no bucket, and without pg_cron no jobs. */
const MADE = `
  select format('bucket %s', b.id) as what from storage.buckets as b
  union all
  select format('extension %s', e.extname) from pg_extension as e where e.extname = 'pg_cron'
`;

/** What is in the guest's own two schemas. */
const OURS = /\bfairlane(?:_core)?\b/;

/** An app's own things under the names that the fleet has in public. */
const APP = `
  create table public.tasks (id bigint primary key, title text);
  create table public.users (id uuid primary key, nickname text);
  create view public.orchestrator_status as select 1 as one;
  alter table public.tasks enable row level security;
  create policy everyone_reads on public.tasks for select using (true);
  create function public.claim_next_task(p_worker text) returns text language sql as 'select p_worker';
  create trigger tasks_before_insert before update on public.tasks
    for each row execute function suppress_redundant_updates_trigger();
`;

/** Nobody may do more than migrations grant, and who is not signed in nothing at all. */
const EXCESS = `
  select statement as what from fairlane_core.wide_grants()
  union all
  select format('anon has %s on %s', a.privilege_type, c.oid::regclass)
  from pg_class as c cross join lateral aclexplode(c.relacl) as a
  where c.relnamespace in ('fairlane'::regnamespace, 'fairlane_core'::regnamespace)
    and a.grantee in (0, 'anon'::regrole)
  union all
  select format('anon may execute %s', p.oid::regprocedure)
  from pg_proc as p
  where p.pronamespace in ('fairlane'::regnamespace, 'fairlane_core'::regnamespace)
    and has_function_privilege('anon', p.oid, 'execute')
`;

/** A family in the queue's own words, from its first child to its end. */
const FAMILY = `
  insert into public.users (id, credits, settings)
  values ('00000000-0000-4000-8000-000000000001', 1, '{"cloud": true, "local": false}');
  insert into public.projects (id, user_id, name)
  values ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'p');
  insert into public.task_types (name, category) values ('whole', 'orchestration');
  insert into public.tasks (task_type, project_id, params)
  values ('whole', '00000000-0000-4000-8000-000000000002', '{"expected_children": 2}');

  select fairlane_core.claim_next_task('{"kind": "service"}', 'a', 'gpu', null, false, null, false);
  insert into public.tasks (task_type, project_id, params)
  select 'piece', t.project_id, jsonb_build_object('parent_task_id', t.id) || k.params
  from public.tasks as t
    cross join (values ('{"part_index": 0}'::jsonb), ('{"is_final": true}')) as k (params)
  where t.task_type = 'whole';

  do $$
  declare
    v_claim json;
  begin
    for v_step in 1..2 loop
      v_claim := fairlane_core.claim_next_task('{"kind": "service"}', 'b', 'gpu', null, false, null, false);
      perform fairlane_core.complete_task(
        '{"kind": "service"}', (v_claim ->> 'task_id')::uuid,
        case when v_claim -> 'params' ->> 'is_final' is null then 'https://part' else 'https://whole' end,
        null, null, null, null
      );
    end loop;
  end;
  $$;
`;

const HOW_IT_ENDED = `
  select format('%s, %s', t.status, t.output_location) as ended
  from public.tasks as t
  where t.task_type = 'whole'
  union all
  select format('local work is %s', s.local_reason) from fairlane_core.user_slots as s
`;
