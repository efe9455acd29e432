-- What: whose the old result records are, and which task each came from, where its location says so.
-- Why: owners read their own records only; and a repair (repair_generations) would record again what it finds no record
-- of. In pieces that are committed one by one; a run that was cut can be run again.
-- Back out: nothing to do; only what was null is written.

set lock_timeout = '900ms';
set statement_timeout = 0;

do $$
declare
  v_pages_at_once constant bigint := 250;
  v_page bigint := 0;
  v_end bigint := pg_relation_size('public.generations') / current_setting('block_size')::bigint;
begin
  while v_page < v_end loop
    update public.generations as g
    set user_id = p.user_id
    from public.projects as p
    where g.ctid >= format('(%s,0)', v_page)::tid
      and g.ctid < format('(%s,0)', v_page + v_pages_at_once)::tid
      and g.user_id is null
      and p.id = g.project_id;
    commit;
    v_page := v_page + v_pages_at_once;
  end loop;

  -- Only where one record and one task of a project name the same place.
  update public.generations as g
  set task_id = pair.task_id
  from (
    select r.generation_id, t.task_id
    from (
      select k.project_id, k.location, (array_agg(k.id))[1] as generation_id
      from public.generations as k
      where k.task_id is null
      group by k.project_id, k.location
      having count(*) = 1
    ) as r
      join (
        select k.project_id, k.output_location, (array_agg(k.id))[1] as task_id
        from public.tasks as k
        where k.status = 'Complete'
        group by k.project_id, k.output_location
        having count(*) = 1
      ) as t on t.project_id = r.project_id and t.output_location = r.location
    where not exists (select from public.generations as o where o.task_id = t.task_id)
  ) as pair
  where g.id = pair.generation_id;
end;
$$;
