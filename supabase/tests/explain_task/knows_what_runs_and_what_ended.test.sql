begin;
select plan(13);

-- SETUP
select tests.empty_queue();
create function pg_temp.explain(p_task_id uuid) returns jsonb language sql as $$
  select tests.answer(format('public.explain_task(tests.service(), %L)', p_task_id))::jsonb;
$$;
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-1', p_attempts => 2) as running \gset
insert into public.task_types (name, max_attempts) values ('fragile', 1);
select tests.create_task(:'owner', 'fragile') as fragile \gset

-- TEST: running
select is(pg_temp.explain(:'running') ->> 'status', 'In Progress', 'A running task says so');
select is(pg_temp.explain(:'running') ->> 'remedy', 'Nothing: it is running', 'Nothing has to change for it');
select is(pg_temp.explain(:'running') ->> 'worker_id', 'gpu-1', 'It says where');
select is(pg_temp.explain(:'running') ->> 'reason', null, 'It waits for no reason');
select is(pg_temp.explain(:'running') ->> 'claimable', 'false', 'It is not claimable');
select is(pg_temp.explain(:'running') -> 'tasks_ahead', 'null', 'It is in no queue');
select is(pg_temp.explain(:'running') -> 'attempts', '2', 'It says which start this is');
select is(pg_temp.explain(:'running') -> 'max_attempts', '3', 'And of how many');
select is(pg_temp.explain(:'fragile') -> 'max_attempts', '1', 'As its type has it');

-- TEST: ended
select tests.create_task_in('Complete', :'owner') as complete \gset
select tests.create_task_in('Failed', :'owner') as failed \gset
select tests.create_task_in('Cancelled', :'owner') as cancelled \gset
select is(pg_temp.explain(:'complete') ->> 'remedy', 'Nothing: it has ended', 'A complete task has ended');
select is(pg_temp.explain(:'failed') ->> 'remedy', 'Nothing: it has ended', 'A failed task has ended');
select is(pg_temp.explain(:'cancelled') ->> 'remedy', 'Nothing: it has ended', 'A cancelled task has ended');
select is_empty(
  format($$ select t from unnest(array[%L, %L, %L]::uuid[]) as t
    where pg_temp.explain(t) ->> 'reason' is not null or (pg_temp.explain(t) ->> 'claimable')::boolean $$,
    :'complete', :'failed', :'cancelled'),
  'None of them waits'
);

select * from finish();
rollback;
