-- What: pool, standing, dependencies and counters of the tasks that were there before.
-- Why: the triggers derive for these rows what they would have derived at the insert; in pieces that are committed one
-- by one, what runs first. A run that was cut goes on where it was.
-- Back out: nothing to do.

set lock_timeout = '900ms';
set statement_timeout = 0;

do $$
declare
  v_pages_at_once constant bigint := 100;
  v_page bigint := 0;
  v_end bigint := pg_relation_size('public.tasks') / current_setting('block_size')::bigint;
  v_from tid;
  v_to tid;
begin
  -- Whoever signed up in the moment before the triggers were there.
  update public.users as u set max_in_progress = u.max_in_progress
  where not exists (select from queue.user_slots as s where s.user_id = u.id);
  commit;

  -- A limit counts what runs, so that comes first.
  update public.tasks as t set pool = null where t.status = 'In Progress' and t.standing is null;
  commit;

  while v_page < v_end loop
    v_from := format('(%s,0)', v_page)::tid;
    v_to := format('(%s,0)', v_page + v_pages_at_once)::tid;

    insert into queue.task_dependencies (task_id, depends_on)
    select t.id, t.dependant_on
    from public.tasks as t
    where t.ctid >= v_from
      and t.ctid < v_to
      and t.status = 'Queued'
      and t.standing is null
      and t.dependant_on <> t.id
    on conflict do nothing;

    update public.tasks as t
    set pool = null
    where t.ctid >= v_from
      and t.ctid < v_to
      and t.status in ('Queued', 'In Progress')
      and t.standing is null;

    commit;
    v_page := v_page + v_pages_at_once;
  end loop;
end;
$$;
