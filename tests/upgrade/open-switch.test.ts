/** An operator's switch for the anon key (ADR 0013) stays where it was. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
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

afterEach(() => admin()`select queue.allow_anon_reads(false)`);

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
