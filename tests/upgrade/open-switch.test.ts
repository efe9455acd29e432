/** An operator's switch for the anon key (ADR 0013) stays where it was. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { supabaseDir } from "../../stack/paths.ts";
import { admin } from "../support/db.ts";

const FILE = "20261128170100_anon_reads_by_index.sql";
const READS = "anyone_reads_fresh_tasks";
const DELETES = "anyone_deletes_spare_parts";
/** As the policy was when somebody opened it. */
const OLD = `
  alter policy ${READS} on public.tasks
    using (status in ('Queued', 'In Progress') or updated_at > now() - interval '1 day')
`;

/** The functions that the file replaces, as they are at the end of the push. */
let youngest: string[];

beforeAll(async () => {
  const rows = await admin()<{ body: string }[]>`
    select pg_get_functiondef(p.oid) as body
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'queue'::regnamespace
  `;
  youngest = rows.map(({ body }) => body);
});
afterEach(() => admin()`select queue.allow_anon_reads(false)`);
// What comes next on this stack needs them as they are.
afterAll(async () => {
  for (const body of youngest) await admin().unsafe(body);
});

it.each([
  ["closed", "queue.allow_anon_reads(false)", []],
  ["reads", "queue.allow_anon_reads(true)", [READS]],
  ["reads and the DELETE", "queue.allow_anon_deletes(true)", [DELETES, READS]],
])("the push that rewrites its policy leaves it: %s", async (_, set, open) => {
  await admin().unsafe(`select ${set}`);
  if (open.includes(READS)) await admin().unsafe(OLD);
  const push = readFileSync(join(supabaseDir, "migrations", FILE), "utf8");
  await admin().unsafe(`begin; ${push}; commit`);
  const policies = await admin()<{ name: string; rule: string }[]>`
    select policyname as name, qual as rule
    from pg_catalog.pg_policies
    where tablename = 'tasks' and 'anon' = any (roles)
    order by policyname
  `;
  expect(policies.map(({ name }) => name)).toEqual(open);
  for (const { name, rule } of policies) {
    if (name === READS) expect(rule).toContain("3 days");
  }
});
