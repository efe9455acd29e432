begin;
select plan(9);

-- SETUP: the process of a worker that is handed anything but an object ends
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
create function pg_temp.enqueue(p_project_id uuid, p_params jsonb) returns text language sql as $$
  insert into public.tasks (task_type, project_id, params) values ('test', p_project_id, p_params) returning params::text;
$$;

-- TEST: what is no object is not stored
select throws_ok(format('select pg_temp.enqueue(%L, ''[1]'')', :'project'), 'PT400', null, 'A list is refused');
select throws_ok(format('select pg_temp.enqueue(%L, ''"a text"'')', :'project'), 'PT400', null, 'A text is refused');
select throws_ok(format('select pg_temp.enqueue(%L, ''7'')', :'project'), 'PT400', null, 'A number is refused');
select throws_ok(format('select pg_temp.enqueue(%L, ''"[1]"'')', :'project'), 'PT400', null, 'The JSON text of a list is refused');
select is(pg_temp.enqueue(:'project', '"{\"seed\": 9223372036854775807}"'), '{"seed": 9223372036854775807}', 'The JSON text of an object is the object');
select is(pg_temp.enqueue(:'project', null), '{}', 'Nothing is an empty object');
select throws_ok(
  $$ update public.tasks set params = '[1]' $$, 'PT400', null, 'A change to something else is refused, too'
);

-- TEST: a row from before the rule is handed out as an object all the same
alter table public.tasks disable trigger tasks_before_update;
update public.tasks set params = '["from", "before"]';
alter table public.tasks enable trigger tasks_before_update;
select is_empty(
  $$
    select c.reply
    from (select public.claim_next_task(tests.service(), 'gpu-' || n) as reply from generate_series(1, 3) as n) as c
    where json_typeof(c.reply -> 'params') <> 'object'
  $$,
  'Every claim answers with params that are an object'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
