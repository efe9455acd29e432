import { query } from "../query.ts";
import type { Run } from "../programs.ts";
import { dumpEntries, type DumpEntry } from "./dump-entries.ts";

/**
 * What a dump of two schemas does not show, one row per thing: jobs, what is
 * attached to the platform's own tables, publications, settings.
 */
const FACTS = `
  select 'cron job ' || jobname as title,
    concat_ws(' | ', schedule, command, active, username, database) as text
  from cron.job
  union all
  select format('policy %s on %s.%s', policyname, schemaname, tablename),
    concat_ws(' | ', permissive, roles, cmd, qual, with_check)
  from pg_catalog.pg_policies
  where schemaname not in ('public', 'queue')
  union all
  select format('trigger %s on %s', tgname, tgrelid::regclass),
    concat_ws(' | ', pg_get_triggerdef(oid), tgenabled)
  from pg_catalog.pg_trigger
  where not tgisinternal
  union all
  select format('publication %s of %s.%s', pubname, schemaname, tablename),
    concat_ws(' | ', attnames, rowfilter)
  from pg_catalog.pg_publication_tables
  union all
  select format('event trigger %s', evtname),
    concat_ws(' | ', evtevent, evtfoid::regproc, evtenabled, evttags)
  from pg_catalog.pg_event_trigger
  union all
  select format('settings of %s in %s', s.setrole::regrole, d.datname),
    array_to_string(s.setconfig, ' | ')
  from pg_catalog.pg_db_role_setting as s
    left join pg_catalog.pg_database as d on d.oid = s.setdatabase
`;

/** Why a server of that version cannot be dumped here; undefined = it can. */
export async function obstacleToDumping(
  run: Run,
  major: number,
): Promise<string | undefined> {
  const { ok, stdout } = await run("pg_dump", ["--version"]);
  if (!ok) return "there is no pg_dump";
  const version = Number(/\d+/.exec(stdout)?.[0]);
  return version < major
    ? `pg_dump ${version} cannot read Postgres ${major}`
    : undefined;
}

/** Everything about a database that migrations and schema files decide. */
export async function describeDatabase(
  run: Run,
  url: string,
): Promise<DumpEntry[]> {
  const dump = await run("pg_dump", [
    "--schema-only",
    "--schema=public",
    "--schema=queue",
    `--dbname=${url}`,
  ]);
  if (!dump.ok) throw new Error(`pg_dump failed:\n${dump.stderr}`);
  return [...dumpEntries(dump.stdout), ...await describeFacts(url)];
}

/** What belongs to the two schemas and lies outside of them. */
export function describeFacts(url: string): Promise<DumpEntry[]> {
  return query<DumpEntry>(url, FACTS);
}
