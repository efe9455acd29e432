begin;
select plan(13);

-- SETUP: Ana's machine happens to bear the name of a worker of the fleet that has ended
select tests.empty_queue();
select tests.create_user() as ana \gset
select tests.create_user() as ben \gset
select tests.with_token(:'ana') as token \gset
insert into public.workers (id, status, current_model, last_heartbeat) values ('mac', 'terminated', 'secret-model', now());
create function pg_temp.explain(p_caller jsonb, p_worker_id text default 'mac') returns jsonb language sql as $$
  select tests.answer(format('public.explain_worker(%L, %L)', p_caller, p_worker_id))::jsonb;
$$;

-- TEST: the fleet's workers are not shown to users' machines
select tests.create_task(:'ben');
select is(
  pg_temp.explain(:'token') - 'remedy' - 'blocked' - 'holds',
  '{"worker_id": "mac", "known": false, "status": null, "last_heartbeat": null, "current_model": null, "pool": "gpu", "gets_work": false, "reason": "nothing_claimable", "claimable": 0}',
  'A token does not see the fleet''s worker of that name, nor other users'' tasks'
);
select is(pg_temp.explain(tests.service()) ->> 'reason', 'worker_terminated', 'The service does');

-- TEST: what holds a machine back are its own switch, limit and tasks
select tests.create_task(:'ana') as task \gset
update public.tasks set run_type = 'local' where id = :'task';
select is(pg_temp.explain(:'token') -> 'gets_work', 'true', 'The machine gets its owner''s local task');
select is(pg_temp.explain(:'token') -> 'claimable', '1', 'That one alone');
update public.users set credits = 0 where id = :'ana';
select is(pg_temp.explain(:'token') -> 'gets_work', 'true', 'Also without credits');
update public.users set settings = tests.switched('local', 'false') where id = :'ana';
select is(pg_temp.explain(:'token') ->> 'reason', 'nothing_claimable', 'Not with local work switched off');
select is(pg_temp.explain(:'token') -> 'blocked', '{"local_disabled": 1}', 'Which is named');
update public.users set settings = null where id = :'ana';

-- TEST: a holder is a token and a name
select is(tests.claim('mac', 'gpu', null, :'token'), :'task', 'The machine takes the task');
select is(pg_temp.explain(:'token') ->> 'reason', 'holds_all_it_may', 'It holds all it may');
select is(pg_temp.explain(tests.with_token(:'ana')) -> 'holds', '[]', 'Another token of that name holds nothing');
select is(pg_temp.explain(tests.service()) -> 'holds', '[]', 'Nor does the fleet''s worker of that name');

-- TEST: callers and arguments that make no sense
select is(
  tests.answer(format('public.explain_worker(%L, ''mac'')', tests.signed_in(:'ana'))), '403 FORBIDDEN', 'A signed-in user is no worker'
);
select is(
  tests.answer('public.explain_worker(tests.service(), ''mac'', ''tpu'')'), '400 INVALID_ARGUMENT', 'A pool that does not exist is refused'
);

select * from finish();
rollback;
