begin;
select plan(30);

-- SETUP: one task for every reason there is
select tests.empty_queue();
create temporary table expected (task_id uuid, reason text, remedy text);
create function pg_temp.expect(p_task_id uuid, p_reason text, p_remedy text) returns void language sql as $$
  insert into expected values (p_task_id, p_reason, p_remedy);
$$;
create function pg_temp.explain(p_task_id uuid) returns jsonb language plpgsql as $$
declare v_reply jsonb;
begin
  set local role service_role;
  v_reply := public.explain_task(tests.service(), p_task_id);
  reset role;
  return v_reply;
end;
$$;

insert into public.tasks (task_type, project_id) values ('clip', null) returning id as no_owner \gset
select pg_temp.expect(:'no_owner', 'no_owner', 'Give it a project');

select tests.create_user(p_max_in_progress => 10) as owner \gset
select tests.create_task(:'owner') as no_run_type \gset
alter table public.tasks disable trigger tasks_before_update;
update public.tasks set run_type = null where id = :'no_run_type';
alter table public.tasks enable trigger tasks_before_update;
select fairlane_core.recompute_readiness(array[:'no_run_type'::uuid]);
select pg_temp.expect(:'no_run_type', 'no_run_type', 'An operator sets run_type');

insert into public.task_types (name, is_active) values ('resting', false);
select tests.create_task(:'owner', 'resting') as type_inactive \gset
select pg_temp.expect(:'type_inactive', 'type_inactive', 'Switch its type on');

select tests.create_task(:'owner') as not_yet \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'not_yet';
select pg_temp.expect(:'not_yet', 'not_yet', 'Wait until available_at');

select tests.create_task(:'owner', p_priority => 9) as parent_task \gset
select tests.create_task(:'owner', p_dependant_on => :'parent_task') as pending \gset
select pg_temp.expect(:'pending', 'dependency_pending', 'The tasks it waits for have to complete');

select tests.create_task(:'owner', p_dependant_on => gen_random_uuid()) as lost \gset
select pg_temp.expect(:'lost', 'dependency_lost', 'It can never run');

select tests.create_user(p_credits => 0) as poor \gset
select tests.create_task(:'poor') as no_credits \gset
select pg_temp.expect(:'no_credits', 'no_credits', 'Its owner needs credits');

select tests.create_user(p_settings => tests.switched('cloud', 'false')) as offline \gset
select tests.create_task(:'offline') as cloud_disabled \gset
select pg_temp.expect(:'cloud_disabled', 'cloud_disabled', format('Its owner switches settings.%s on', array_to_string(fairlane_core.switch_path('cloud'), '.')));

select tests.create_user(p_settings => tests.switched('local', 'false')) as travelling \gset
select tests.create_task(:'travelling') as local_disabled \gset
update public.tasks set run_type = 'local' where id = :'local_disabled';
select pg_temp.expect(:'local_disabled', 'local_disabled', format('Its owner switches settings.%s on', array_to_string(fairlane_core.switch_path('local'), '.')));

select tests.create_user(p_max_in_progress => 1) as busy \gset
select tests.create_task_in('In Progress', :'busy');
select tests.create_task(:'busy') as at_limit \gset
select pg_temp.expect(:'at_limit', 'user_at_limit', 'One of its owner''s running tasks has to end');

select tests.create_task(:'owner', p_age => '8 days') as stale \gset
select pg_temp.expect(:'stale', 'stale', 'Enqueue it again');

-- TEST: each is named, with what would have to change
select is(pg_temp.explain(e.task_id) ->> 'reason', e.reason, format('explain_task() finds %s', e.reason)) from expected as e;
select matches(
  pg_temp.explain(e.task_id) ->> 'remedy', '^' || e.remedy, format('explain_task() knows what helps against %s', e.reason)
)
from expected as e;
select is_empty(
  $$ select reason from expected where (pg_temp.explain(task_id) ->> 'claimable')::boolean $$,
  'explain_task() calls none of them claimable'
);

-- TEST: counts and explain agree about every one of them
select is_empty(
  $$ (select key, value::integer from jsonb_each_text(tests.counts() -> 'blocked'))
  except
  (select reason, count(*)::integer from expected group by reason) $$,
  'explain_task() and task_counts() name the same reasons'
);

-- TEST: what it waits for is named too, and nothing else
select is(
  pg_temp.explain(:'pending') -> 'waits_for', jsonb_build_array(jsonb_build_object('task_id', :'parent_task', 'status', 'Queued')),
  'explain_task() says what is waited for and in what state that is'
);
select is(pg_temp.explain(:'lost') #> '{waits_for,0,status}', 'null', 'A missing dependency has no status');
select is(pg_temp.explain(:'stale') -> 'waits_for', 'null', 'A task that waits for no other says so');

-- TEST: a dependency on somebody else's task says nothing about that task
select tests.create_task_in('Complete', :'poor') as foreign_task \gset
select tests.create_task(:'owner', p_dependant_on => :'foreign_task') as curious \gset
select is(pg_temp.explain(:'curious') ->> 'reason', 'dependency_lost', 'To wait for somebody else''s task is to wait for a missing one');
select is(
  pg_temp.explain(:'curious') -> 'waits_for', jsonb_build_array(jsonb_build_object('task_id', :'foreign_task', 'status', null)),
  'And it is shown as missing'
);
select tests.create_task_in('In Progress', :'poor') as foreign_running \gset
select tests.create_task(:'owner', p_dependant_on => :'foreign_running') as prying \gset
select is(
  pg_temp.explain(:'prying') -> 'waits_for', jsonb_build_array(jsonb_build_object('task_id', :'foreign_running', 'status', null)),
  'Whatever state it is in'
);

select * from finish();
rollback;
