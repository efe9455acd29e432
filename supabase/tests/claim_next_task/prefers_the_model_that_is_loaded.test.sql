begin;
select plan(18);

-- SETUP: a worker with a model, tasks of that model, of another and of none
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
insert into public.workers (id, status, current_model) values ('gpu-wan', 'active', 'wan');
select tests.create_task(:'owner', p_params => '{"model": "blue"}', p_age => '4 minutes') as other_model \gset
select tests.create_task(:'owner', p_params => '{"model_name": "wan"}', p_age => '3 minutes') as same_model \gset
select tests.create_task(
  :'owner', p_params => tests.with_nested_model('wan'), p_age => '2 minutes'
) as nested_model \gset
select tests.create_task(:'owner', p_age => '1 minute', p_priority => -1) as any_model \gset
create function pg_temp.claim_only(p_worker_id text, p_minutes numeric default null) returns uuid language sql as $$
  select (public.claim_next_task(
    tests.service(), p_worker_id, p_same_model_only => true, p_max_task_wait_minutes => p_minutes
  ) ->> 'task_id')::uuid;
$$;
-- The worker runs as many as it likes, so that each claim shows a preference.
update fairlane_core.settings set gpu_tasks_per_worker = null;

-- TEST: a preference, wherever the task names its model
select is((tests.task(:'nested_model')).model, 'wan', 'The model may be nested deeper');
select is(tests.claim('gpu-wan'), :'same_model', 'claim_next_task() prefers a task of the loaded model to an older one');
select is(tests.claim('gpu-wan'), :'nested_model', 'And again');
select is(tests.claim('gpu-wan'), :'any_model', 'Then one that runs on any model');
select is(tests.claim('gpu-wan'), :'other_model', 'And another model rather than nothing');

-- TEST: a worker that asks for its model first stands idle for nobody
select tests.create_task(:'owner', p_params => '{"model": "blue"}', p_age => '1 minute') as blue \gset
select is(pg_temp.claim_only('gpu-wan'), :'blue', 'A worker that asks for its model first gets another one rather than nothing');
select tests.create_task(:'owner', p_params => '{"model": "blue"}', p_age => '1 minute') as waited \gset
select tests.create_task(:'owner', p_params => '{"model": "wan"}') as own \gset
select is(pg_temp.claim_only('gpu-wan', 0.5), :'waited', 'And before its own what has waited as long as the claim says');
select is(pg_temp.claim_only('gpu-wan', 0.5), :'own', 'Then its own');

-- TEST: orchestration suits every worker, whatever its params say
select tests.create_task(:'owner', 'film_orchestrator', '{"model": "blue"}', p_age => '1 minute') as orchestrator \gset
select tests.create_task(:'owner', p_params => '{"model": "wan"}') as own_again \gset
select is(pg_temp.claim_only('gpu-wan'), :'orchestrator', 'Orchestration comes in its turn, it loads no model');
select is(pg_temp.claim_only('gpu-wan'), :'own_again', 'And so does what comes after it');

-- TEST: the guard holds for every caller with a model
select tests.create_task(:'owner', p_params => '{"model": "blue"}', p_age => '6 minutes') as starved \gset
select tests.create_task(:'owner', p_params => '{"model": "wan"}', p_priority => 0) from generate_series(1, 3);
select is(tests.claim('gpu-wan'), :'starved', 'A task that has waited five minutes goes to the next worker, preferred or not');

-- TEST: a worker without a model, or that nobody knows, just takes the line
select tests.create_task(:'owner', p_params => '{"model": "blue"}', p_priority => 9) as urgent \gset
select is(pg_temp.claim_only('gpu-unknown'), :'urgent', 'A worker without a model has no preference');

-- TEST: a preference does not pass over another user's turn
select tests.create_user() as ben \gset
select tests.create_task(:'ben', p_params => '{"model": "blue"}') as bens_task \gset
select is(tests.claim('gpu-wan'), :'bens_task', 'A user with nothing running comes before the model');

-- TEST: who asks for its model first gets it from whose turn it is not; but not from beyond the next twenty users
update public.tasks set status = 'Cancelled' where status = 'Queued';
select tests.create_user() as cleo \gset
select tests.create_task(:'cleo', p_params => '{"model": "blue"}') as cleos_task \gset
select tests.create_task(:'owner', p_params => '{"model": "wan"}') as own_late \gset
select is(pg_temp.claim_only('gpu-wan'), :'own_late', 'A user who has the model comes before whose turn it is');
select is(pg_temp.claim_only('gpu-wan'), :'cleos_task', 'When nobody has it, whose turn it is');
select count(tests.create_task(tests.create_user(), p_params => '{"model": "blue"}')) from generate_series(1, 21) \gset
select tests.create_task(:'owner', p_params => '{"model": "wan"}') as far \gset
select isnt(pg_temp.claim_only('gpu-wan'), :'far', 'After twenty others who do not have it, it is not looked for');

-- TEST: a user's own machine may call itself what it likes; what the fleet knows of that name is not its own
update public.tasks set status = 'Cancelled' where status = 'Queued';
select tests.create_task(:'owner', p_params => '{"model": "blue"}', p_age => '1 minute') as own_image \gset
select tests.create_task(:'owner', p_params => '{"model": "wan"}');
select is(
  tests.claim('gpu-wan', 'gpu', null, tests.with_token(:'owner')), :'own_image', 'A token just takes the head of the queue'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
