begin;
select plan(6);

-- SETUP: every call that is told who calls. Which roles may make them at all: functions_are_executable_as_listed.
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset
select tests.create_project(:'owner') as project \gset
create temporary table called (call text, is_for_the_service boolean default false);
insert into called (call) values
  ('claim_next_task(%L, ''gpu-1'')'), ('complete_task(%L, %L)'), ('update_task_status(%L, %L, ''Failed'')'),
  ('mark_task_failed(%L, %L)'), ('upload_target(%L, %L)'), ('get_predecessor_output(%L, %L)'),
  ('get_orchestrator_children(%L, %L)'), ('get_task_status(%L, %L)'), ('get_task_output(%L, %L)'), ('explain_task(%L, %L)'),
  ('task_counts(%L)'), ('explain_worker(%L, ''gpu-1'')'), ('create_tasks(%L, ''[]'')'),
  ('update_worker_model(%L, ''gpu-1'', ''wan'')'), ('note_call(%L, %L)'), ('cancel_tasks(''{}'', p_caller => %L)'),
  ('create_task(%L, ''{"task_type": "test", "project": "' || :'project' || '"}'')'), ('beat(%L, ''gpu-1'')');
insert into called (is_for_the_service, call) values
  (true, 'worker_health(%L)'), (true, 'health(%L)'), (true, 'note_refused_claim(%L, ''gpu-1'')'), (true, 'files_to_sweep(%L)'),
  (true, 'requeue_tasks(''{}''::uuid[], p_caller => %L)'), (true, 'unknown_task_types(%L)'),
  (true, 'note_unused_fields(%L, ''x'', ''{}'')'), (true, 'keep_worker(''gpu-1'', p_caller => %L)');
select tests.with_token(:'owner') as revoked \gset
update public.user_api_tokens set revoked_at = fairlane_core.now() where id = tests.token_id(:'revoked');
create temporary table caller (who jsonb, answer text, is_good boolean default false);
insert into caller (who, answer) values
  ('{}', '403 FORBIDDEN'), ('{"kind": "robot"}', '403 FORBIDDEN'), ('{"kind": "user"}', '403 FORBIDDEN'),
  ('{"kind": "token"}', '403 UNKNOWN_TOKEN'), ('{"kind": "token", "hash": "nobody"}', '403 UNKNOWN_TOKEN'),
  (:'revoked', '403 UNKNOWN_TOKEN');
insert into caller values
  (tests.with_token(:'owner'), '403 FORBIDDEN', true), (tests.signed_in(:'owner'), '403 FORBIDDEN', true);
create function pg_temp.answer(p_call text, p_caller jsonb default tests.service()) returns text language sql as $$
  select tests.answer(format('public.%s', format(p_call, p_caller, (select t.id from public.tasks as t))));
$$;

-- TEST
select is_empty(
  $$ select c.call, n.who from called as c cross join caller as n
     where not c.is_for_the_service and not n.is_good and pg_temp.answer(c.call, n.who) is distinct from n.answer $$,
  'A caller of no or an unknown kind, a user without an id, a token that is missing, unknown or revoked is refused'
);
select is_empty(
  $$ select c.call, n.who from called as c cross join caller as n
     where c.is_for_the_service and n.answer ~ 'FORBIDDEN' and pg_temp.answer(c.call, n.who) is distinct from n.answer $$,
  'Tokens and users are refused what only the service may'
);
select is((select count(*)::integer from called), 26, 'All of these were tried');
select is((tests.task(:'task')).status, 'In Progress', 'None of them changed the task');
select is((select count(*)::integer from public.tasks), 1, 'Or enqueued another');

-- TEST: arguments that make no sense
select is_empty(
  format(
    $$ select c.call from unnest(array[
         'public.claim_next_task(tests.service(), ''gpu-1'', ''tpu'')', 'public.task_counts(tests.service(), ''tpu'')',
         'public.func_worker_heartbeat_with_logs(''{"vram_total_mb_param": 1}'')',
         'public.func_worker_heartbeat_with_logs(''["gpu-1"]'')',
         'public.func_worker_heartbeat_with_logs(''{"worker_id_param": "%s"}'')'
       ]) as c (call)
       where tests.answer(c.call) is distinct from '400 INVALID_ARGUMENT' $$, repeat('x', 201)
  ),
  'A pool that does not exist, a heartbeat without a worker id, with one that fits no index, or that is no object is refused'
);

select * from finish();
rollback;
