import type { DumpEntry } from "../equality/dump-entries.ts";
import { describeWholeCatalog } from "../equality/whole-catalog.ts";
import { query } from "../query.ts";

/**
 * What even the whole catalog of the gate leaves to dumps, which not every
 * server has: all comments, the fields of types, sequences, how columns are
 * kept, extensions.
 */
const FURTHER = `
  select 'comment on ' || pg_describe_object(d.classoid, d.objoid, d.objsubid) as title, d.description as text
  from pg_description as d
  where d.objoid >= 16384 -- what a new database has is lower
  union all
  select format('fields of %s', c.oid::regclass),
    string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
  from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind = 'c' and c.relnamespace in ('public'::regnamespace, 'queue'::regnamespace)
  group by c.oid
  union all
  select format('sequence %s', s.seqrelid::regclass),
    concat_ws(' | ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
  from pg_sequence as s
    join pg_class as c on c.oid = s.seqrelid
  where c.relnamespace in ('public'::regnamespace, 'queue'::regnamespace)
  union all
  select format('keeping of column %s.%s', a.attrelid::regclass, a.attname),
    concat_ws(' | ', a.attstorage, a.attcompression, a.attoptions, a.attcollation::regcollation, a.attgenerated)
  from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'v', 'c')
  where c.relnamespace in ('public'::regnamespace, 'queue'::regnamespace)
    and a.attnum > 0 and not a.attisdropped
  union all
  select format('state of index %s', i.indexrelid::regclass),
    concat_ws(' | ', i.indisvalid, i.indisready, i.indisclustered, i.indisreplident, c.reloptions)
  from pg_index as i
    join pg_class as c on c.oid = i.indexrelid
  where c.relnamespace in ('public'::regnamespace, 'queue'::regnamespace)
  union all
  select 'extension ' || e.extname, concat_ws(' | ', e.extversion, n.nspname)
  from pg_extension as e
    join pg_namespace as n on n.oid = e.extnamespace
`;

/** Everything but rows; one entry for each thing. */
export async function factsOf(url: string): Promise<DumpEntry[]> {
  return [
    ...await describeWholeCatalog(url),
    ...await query<DumpEntry>(url, FURTHER),
  ];
}
