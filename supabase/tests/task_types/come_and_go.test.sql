begin;
select plan(8);

-- SETUP: a task that waits and one that runs, of a type without a row
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
select tests.create_task(:'owner', 'score') as queued \gset
select tests.create_task_in('In Progress', :'owner', 'score') as running \gset
create function pg_temp.slots(variadic p_ids uuid[]) returns boolean[] language sql as $$
  select array_agg(t.takes_slot order by array_position(p_ids, t.id)) from public.tasks as t where t.id = any (p_ids);
$$;
select is(pg_temp.slots(:'queued', :'running'), '{t,t}', 'Of a type without a row tasks take slots');

-- TEST: a row that comes and goes
insert into public.task_types (name, category) values ('score', 'orchestration');
select is(pg_temp.slots(:'queued', :'running'), '{f,f}', 'With a row that says orchestration they take none');
select is_empty('select * from tests.drift()', 'Also in the counters');
delete from public.task_types where name = 'score';
select is(pg_temp.slots(:'queued', :'running'), '{t,f}', 'Without it they do again, a running one when it is requeued');
select is_empty('select * from tests.drift()', 'And so for the counters');

-- TEST: while many are still to follow
delete from public.tasks where id = :'queued';
select tests.create_task(:'owner', 'dub') from generate_series(1, 120);
insert into public.task_types (name, category) values ('dub', 'orchestration');
delete from public.task_types where name = 'dub';
select ok(
  not fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness), 'A row that came and went leaves nothing behind'
)
from public.tasks as t
where t.task_type = 'dub'
limit 1;
select is(tests.claimable(), 2, 'Counts say what claims give out meanwhile: two slots');
select fairlane_core.settle_deferred(1000) from generate_series(1, 3);
select is_empty('select * from tests.drift()', 'And in the end all is as it was');

select * from finish();
rollback;
