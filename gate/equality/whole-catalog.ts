import { query } from "../query.ts";
import { describeByCatalog } from "./catalog.ts";
import type { DumpEntry } from "./dump-entries.ts";
import { describeFacts } from "./dump.ts";

/**
 * What the others leave out: rights on schemas and types, defaults, owners, and
 * the order of columns, which an upgraded database may have another way.
 */
const REST = `
  select format('schema %s', nspname) as title,
    concat_ws(' | ', nspowner::regrole, array(select unnest(nspacl)::text order by 1)) as text
  from pg_catalog.pg_namespace
  where nspname !~ '^pg_'
  union all
  select format('default privileges of %s in %s for "%s"', d.defaclrole::regrole,
      coalesce(n.nspname, 'all schemas'), d.defaclobjtype),
    array(select unnest(d.defaclacl)::text order by 1)::text
  from pg_catalog.pg_default_acl as d
    left join pg_catalog.pg_namespace as n on n.oid = d.defaclnamespace
  union all
  select format('type %s', t.oid::regtype),
    concat_ws(' | ', t.typowner::regrole, array(select unnest(t.typacl)::text order by 1))
  from pg_catalog.pg_type as t
    join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where n.nspname in ('public', 'queue')
  union all
  select format('owner of %s', c.oid::regclass), c.relowner::regrole::text
  from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname in ('public', 'queue')
  union all
  select format('owner of %s', p.oid::regprocedure), p.proowner::regrole::text
  from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where n.nspname in ('public', 'queue')
  union all
  select format('columns of %s', a.attrelid::regclass),
    string_agg(a.attname, ', ' order by a.attnum)
  from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'v')
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname in ('public', 'queue')
    and a.attnum > 0 and not a.attisdropped
  group by a.attrelid
`;

/** All that the catalog says of a database, whichever Postgres it is. */
export async function describeWholeCatalog(url: string): Promise<DumpEntry[]> {
  return [
    ...await describeByCatalog(url),
    ...await describeFacts(url),
    ...await query<DumpEntry>(url, REST),
  ];
}
