import { join } from "node:path";
import { runSqlFiles } from "../../stack/sql.ts";
import { makeThrowAwayDatabase } from "../equality/throw-away-database.ts";
import { schemaFiles } from "../migrations/schema-files.ts";
import { passesWithout, total } from "../outcome.ts";
import { query } from "../query.ts";
import type { CheckoutStep } from "../step.ts";

const OF_THE_FLEET = /^85_fleet\/|^91_grants\/rights_of_the_fleet\.sql$/;

/** A family in the queue's own words, from its first child to its end. */
const FAMILY = `
  insert into public.users (id, credits, settings)
  values ('00000000-0000-4000-8000-000000000001', 1, '{"cloud": true, "local": false}');
  insert into public.projects (id, user_id, name)
  values ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'p');
  insert into public.task_types (name, category) values ('whole', 'orchestration');
  insert into public.tasks (task_type, project_id, params)
  values ('whole', '00000000-0000-4000-8000-000000000002', '{"expected_children": 2}');

  select queue.claim_next_task('{"kind": "service"}', 'a', 'gpu', null, false, null, false);
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
      v_claim := queue.claim_next_task('{"kind": "service"}', 'b', 'gpu', null, false, null, false);
      perform queue.complete_task(
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
  select format('local work is %s', s.local_reason) from queue.user_slots as s
`;

/** What is not the fleet's needs nothing of it: it loads, lints and runs. */
export const coreAlone: CheckoutStep = {
  name: "core-alone",
  async run({ root, workDir, run }) {
    const database = await makeThrowAwayDatabase(workDir, "core-alone", true);
    try {
      const dir = join(root, "supabase", "schemas");
      const files = schemaFiles(root)
        .filter(({ name }) => !OF_THE_FLEET.test(name));
      await runSqlFiles(
        database.postgres,
        { role: "postgres" },
        files.map(({ name }) => join(dir, name)),
      );
      await query(database.url, FAMILY);
      const ended = await query<{ ended: string }>(database.url, HOW_IT_ENDED);
      const found = ended.map((row) => row.ended).join("; ");
      const expected = "Complete, https://whole; local work is local_disabled";
      const lint = await run("supabase", [
        ...["db", "lint", "--schema", "public,queue"],
        // A replaceable function need not use all that it is given.
        ...["--level", "error", "--fail-on", "error"],
        `--remote=${database.url}?sslmode=disable`,
      ]);
      return total([
        passesWithout(found === expected ? [] : [`the family: ${found}`]),
        passesWithout(lint.ok ? [] : [lint.output]),
      ]);
    } finally {
      await database.discard();
    }
  },
};
