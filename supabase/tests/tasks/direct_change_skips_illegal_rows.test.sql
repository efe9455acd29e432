begin;
select plan(6);

-- SETUP: an orchestrator selected five running tasks of a dead worker; before its PATCH came, one completed, one was
-- cancelled
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create temporary table orphan as select tests.create_task_in('In Progress', :'owner') as id from generate_series(1, 5);
select id as completed from orphan limit 1 \gset
select id as cancelled from orphan offset 1 limit 1 \gset
select public.complete_task(tests.service(), :'completed', 'https://files/a.mp4');
select public.update_task_status(tests.signed_in(:'owner'), :'cancelled', 'Cancelled');
create temporary table returned (id uuid);
grant select on orphan to service_role;
grant insert, select on returned to service_role;

-- TEST: the rest of the statement goes through
select tests.authenticate_as('service_role');
with reset as (
  update public.tasks
  set status = 'Queued', worker_id = null, generation_started_at = null, generation_processed_at = null,
    error_message = 'Reset - orphaned from failed worker'
  where id in (select o.id from orphan as o)
  returning id
)
insert into returned select id from reset;
select tests.clear_authentication();
select is((select count(*)::integer from returned), 3, 'The PATCH returns the tasks that it requeued');
select is(
  (select count(*)::integer from public.tasks as t join returned as r on r.id = t.id where t.status = 'Queued'), 3, 'They are Queued'
);
select is((tests.task(:'completed')).status, 'Complete', 'The task that was completed meanwhile stays Complete');
select is((tests.task(:'completed')).output_location, 'https://files/a.mp4', 'With its output');
select is((tests.task(:'cancelled')).status, 'Cancelled', 'The task that was cancelled meanwhile stays Cancelled');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
