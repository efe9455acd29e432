begin;
select plan(4);

-- SETUP: everybody who can hold a task, in either pool, with all that may be missing from a row
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.with_token(:'owner') as token \gset
insert into public.workers (id, status, last_heartbeat) values ('never-beat', 'active', null), ('known', 'active', fairlane_core.now());
create temporary table holder as
select
  tests.create_task_in('In Progress', :'owner', y.task_type, w.worker_id) as task_id, w.worker_id, n.is_bare, k.has_token
from unnest(array['clip', 'edit_image', 'film_orchestrator', 'never heard of']) as y (task_type)
  cross join unnest(array['known', 'never-beat', 'no-row', '', null]) as w (worker_id)
  cross join unnest(array[false, true]) as n (is_bare)
  cross join unnest(array[false, true]) as k (has_token);
update public.tasks as t
set token_id = case when h.has_token then tests.token_id(:'token') end,
  claimed_at = case when h.is_bare then null else t.claimed_at end,
  generation_started_at = case when h.is_bare then null else t.generation_started_at end,
  updated_at = case when h.is_bare then null else t.updated_at end
from holder as h
where t.id = h.task_id;

-- TEST: who lives is left
select is((select count(*)::integer from public.tasks where status = 'In Progress'), 80, 'There are 80 kinds of holders');
-- The job looks once a minute and may miss a run: this look is the last one within the hour.
select tests.step_clock('58 minutes 1 second');
update public.workers set last_heartbeat = fairlane_core.now() where id = 'known';
update public.tasks set delivered_at = fairlane_core.now(), reported_at = fairlane_core.now() where worker_id = 'known';
select fairlane_core.rescue();
select is(
  (select count(*)::integer from public.tasks as t where t.status = 'In Progress' and t.worker_id is distinct from 'known'), 0,
  'None of them is left without a sign for an hour'
);
select is((select count(*)::integer from public.tasks as t where t.status = 'In Progress'), 16, 'Those that gave one go on');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
