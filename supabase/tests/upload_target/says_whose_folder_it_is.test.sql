begin;
select plan(22);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task_in('In Progress', :'owner') as task \gset

-- TEST: which states take files; the lease as in complete_task()
create temporary table cell (state text, lease text, answer text);
insert into cell values
  ('Queued', 'none', 'closed'),
  ('Queued', 'other', '409 LEASE_LOST'),
  ('Rescued', 'none', 'open'),
  ('Rescued', 'last', '409 LEASE_LOST'),
  ('In Progress', 'none', 'open'),
  ('In Progress', 'last', 'open'),
  ('In Progress', 'other', '409 LEASE_LOST'),
  ('Complete', 'none', 'closed'),
  ('Complete', 'last', 'closed'),
  ('Failed', 'none', 'closed'),
  ('Cancelled', 'none', 'closed');

create function pg_temp.try(p_owner uuid, p_state text, p_lease text)
returns text
language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in(case p_state when 'Rescued' then 'In Progress' else p_state end, p_owner);
  v_lease uuid := (tests.task(v_task_id)).lease_token;
begin
  if p_state = 'Rescued' then
    update public.tasks set status = 'Queued' where id = v_task_id;
  end if;
  return tests.answer(format(
    'case when (public.upload_target(%L, %L, %L) ->> ''is_open'')::boolean then ''open'' else ''closed'' end',
    tests.service(), v_task_id, case p_lease when 'last' then v_lease when 'other' then gen_random_uuid() end
  ));
end;
$$;

select is(
  pg_temp.try(:'owner', c.state, c.lease), c.answer,
  format('upload_target() of a task that is %s, with %s lease', c.state, case c.lease when 'none' then 'no' when 'last' then 'its last' else 'another' end)
)
from cell as c;

-- TEST: what it says
select is(
  public.upload_target(tests.service(), :'task')::jsonb,
  jsonb_build_object('task_id', :'task', 'user_id', :'owner', 'status', 'In Progress', 'attempt', (tests.task(:'task')).attempts, 'is_open', true),
  'upload_target() names the task, its owner, its state and its start'
);

-- TEST: whoever has a file for the task has the task
select tests.create_task_in('In Progress', :'owner') as fresh \gset
select is((tests.task(:'fresh')).reported_at, null, 'Nobody has named the task yet');
select public.upload_target(tests.service(), :'fresh') is not null as asked \gset
select is((tests.task(:'fresh')).delivered_at, fairlane_core.now(), 'Then it was delivered');
select is((tests.task(:'fresh')).reported_at, fairlane_core.now(), 'and reported on');
select is((tests.task(:'fresh')).status, 'In Progress', 'and is otherwise as it was');

-- TEST: owners reach their own tasks, strangers none
select tests.with_token(:'owner') as token \gset
select tests.with_token(:'stranger') as strangers_token \gset
select is(
  tests.answer(format('public.upload_target(%L, %L) ->> ''user_id''', :'token', :'task')), :'owner', 'The owner''s token may ask'
);
select is(
  tests.answer(format('public.upload_target(%L, %L) ->> ''user_id''', tests.signed_in(:'owner'), :'task')), :'owner',
  'The signed-in owner may ask'
);
select is(
  tests.answer(format('public.upload_target(%L, %L)', :'strangers_token', :'task')), '404 TASK_NOT_FOUND',
  'To a stranger there is no such task'
);
select is(
  tests.answer(format('public.upload_target(%L, %L)', tests.service(), gen_random_uuid())), '404 TASK_NOT_FOUND',
  'There is none that does not exist either'
);

-- TEST: only the functions may ask
select tests.authenticate_as('anon');
select throws_ok(
  format('select public.upload_target(%L, %L)', tests.service(), :'task'), '42501', null, 'upload_target() is not for anon'
);
select tests.authenticate_as(:'owner');
select throws_ok(
  format('select public.upload_target(%L, %L)', tests.service(), :'task'), '42501', null,
  'Nor for signed-in users directly'
);
select tests.clear_authentication();

select * from finish();
rollback;
