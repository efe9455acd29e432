begin;
select plan(14);

-- SETUP: work of every kind
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
select tests.create_orchestrator(:'owner') as orchestrator \gset
select tests.create_child(:'orchestrator', 'part', n) from generate_series(0, 8) as n;
select tests.create_task(:'owner', p_dependant_on => :'orchestrator');
select tests.claim_many(2);
select tests.create_task_in('Complete', :'owner');
select is(tests.claimable() + (tests.counts() #>> '{totals,active_only}')::integer > 0, true, 'There is work');
create function pg_temp.truncate(p_table text) returns text language plpgsql as $$
declare v_detail text;
begin
  execute 'truncate ' || p_table;
  return 'done';
exception when sqlstate 'PT409' then
  get stacked diagnostics v_detail = pg_exception_detail;
  return v_detail;
end;
$$;

-- TEST: what tasks go by, and what is derived from them, is not emptied under them
select is(pg_temp.truncate(t), 'TRUNCATE_REFUSED', t || ' is not truncated under live tasks')
from unnest(array['public.task_types', 'fairlane_core.task_dependencies', 'fairlane_core.subtasks', 'fairlane_core.orchestrations', 'fairlane_core.user_slots', 'fairlane_core.user_queues', 'fairlane_core.blocked_tasks']) as t;

-- TEST: the history may go
select is(pg_temp.truncate('public.task_events'), 'done', 'The history may be truncated');
select is_empty('select * from fairlane_core.drift()', 'What was counted from it is counted anew');

-- TEST: the tasks may go, and what was counted goes with them
truncate public.tasks cascade;
select is((tests.counts() -> 'totals')::jsonb, '{"queued_only": 0, "eligible_queued": 0, "active_only": 0, "queued_plus_active": 0, "potentially_claimable": 0, "blocked_by_capacity": 0, "blocked_by_deps": 0, "blocked_by_settings": 0}', 'Nothing is counted any more');

select is_empty('select * from fairlane_core.drift()', 'The counters have followed');
select tests.create_task(:'owner') from generate_series(1, 3);
select is(cardinality(tests.claim_many(5)), 2, 'The owner may run as many as ever');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
