begin;
select plan(27);

-- SETUP: what a PATCH of the status does to a task in each state. Null: the row stays as it is and is not returned
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create temporary table cell (state text, wanted text, becomes text);
insert into cell values
  ('Queued', 'Queued', 'Queued'), ('Queued', 'In Progress', null), ('Queued', 'Complete', null),
  ('Queued', 'Failed', 'Failed'), ('Queued', 'Cancelled', 'Cancelled'),
  ('Rescued', 'In Progress', null), ('Rescued', 'Complete', 'Complete'),
  ('In Progress', 'Queued', 'Queued'), ('In Progress', 'In Progress', 'In Progress'), ('In Progress', 'Complete', 'Complete'),
  ('In Progress', 'Failed', 'Failed'), ('In Progress', 'Cancelled', 'Cancelled'),
  ('Complete', 'Queued', null), ('Complete', 'In Progress', null), ('Complete', 'Failed', null), ('Complete', 'Cancelled', null),
  ('Failed', 'Queued', null), ('Failed', 'In Progress', null), ('Failed', 'Complete', null), ('Failed', 'Cancelled', null),
  ('Cancelled', 'Queued', null), ('Cancelled', 'In Progress', null), ('Cancelled', 'Complete', null), ('Cancelled', 'Failed', null);
alter table cell add column task_id uuid;
update cell set task_id = tests.create_task_in(state, :'owner');
update public.tasks set generation_started_at = fairlane_core.now() - interval '10 minutes' where status = 'In Progress';
create temporary table before as select * from public.tasks;
grant select on cell to service_role;

create function pg_temp.patch(p_task_id uuid, p_status text) returns text language plpgsql as $$
declare
  v_becomes text;
begin
  set local role service_role;
  update public.tasks
  set status = p_status, worker_id = 'gpu-forger', attempts = 0,
    generation_started_at = now() + interval '1 hour', generation_processed_at = now() + interval '1 hour'
  where id = p_task_id
  returning status into v_becomes;
  reset role;
  return v_becomes;
end;
$$;

-- TEST: every cell
select is(
  pg_temp.patch(c.task_id, c.wanted), c.becomes,
  format('A PATCH from %s to %s %s', c.state, c.wanted, case when c.becomes is null then 'leaves the row as it is' else 'is taken' end)
)
from cell as c;

-- TEST: a row that was left is the row that was there
select set_eq(
  'select t.* from public.tasks as t join cell as c on c.task_id = t.id where c.becomes is null',
  'select b.* from before as b join cell as c on c.task_id = b.id where c.becomes is null',
  'A refused row has not changed in any column'
);
select is_empty(
  $$
    select t.id
    from public.tasks as t
      left join public.generations as g on g.task_id = t.id
    where (t.status = 'Complete') is distinct from (g.id is not null)
  $$,
  'Every complete task has its generation, however it was completed'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
