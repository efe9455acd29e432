import { afterEach, expect, it } from "vitest";
import {
  migratedDatabase,
  type TestDatabase,
  usedDatabase,
} from "./databases.ts";
import {
  grantsOf,
  jobsOf,
  rowsOf,
  SOUND,
  soundnessOf,
  worksAgain,
} from "./state.ts";

/** What cannot be derived from other rows, owners before what is theirs. */
const TRUTH = [
  "public.users",
  "public.projects",
  "public.task_types",
  "public.tasks",
  "public.workers",
  "public.generations",
  "public.task_events",
  "public.system_logs",
  "public.user_api_tokens",
  "fairlane_core.settings",
  "fairlane_core.task_dependencies",
  "fairlane_core.orchestrations",
  "fairlane_core.deferred_work",
];

const opened: TestDatabase[] = [];
afterEach(async () => {
  for (const database of opened.splice(0)) await database.discard();
});

it("copies of the rows that cannot be derived make the same queue", async () => {
  const source = await usedDatabase("copied-from");
  opened.push(source);
  const target = await migratedDatabase("copied-into");
  opened.push(target);

  await target.sql`select fairlane_core.begin_restore()`;
  for (const table of TRUTH) {
    // As text all the way: seeds have 64 bits.
    const [rows] = await source.sql.unsafe<{ json: string }[]>(`
      select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text as json from ${table} as t
    `);
    await target.sql.unsafe(
      `insert into ${table} overriding system value
      select * from jsonb_populate_recordset(null::${table}, $1::text::jsonb)`,
      [rows?.json ?? "[]"],
    );
  }
  const [row] = await target.sql`select fairlane_core.rebuild() as did`;
  expect(row?.["did"]).toMatchObject({ drift: 0, wide_grants: [] });

  expect(await grantsOf(target.sql)).toEqual(await grantsOf(source.sql));
  expect(await soundnessOf(target.sql)).toEqual(SOUND);
  expect(await jobsOf(target.sql)).toEqual(await jobsOf(source.sql));
  const [was, is] = [await rowsOf(source.sql), await rowsOf(target.sql)];
  for (
    const table of [
      ...TRUTH,
      "fairlane_core.user_slots",
      "fairlane_core.blocked_tasks",
    ]
  ) {
    expect(is[table], table).toEqual(was[table]);
  }
  expect(await worksAgain(target.sql))
    .toEqual({ status: "Complete", ...SOUND });
});
