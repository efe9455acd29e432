begin;
select plan(33);

-- SETUP: what a caller with the right lease, with an old one and with none is to see. Cells: the answer and whether it
-- changed the task, the task's state afterwards and how many generations there are.
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create temporary table cell (state text, lease text, answer text, ends_as text, generations integer);
insert into cell values
  ('Queued', 'none', '409 ILLEGAL_TRANSITION', 'Queued', 0),
  ('Queued', 'other', '409 LEASE_LOST', 'Queued', 0),
  ('Rescued', 'none', 'Complete, changed', 'Complete', 1),
  ('Rescued', 'last', '409 LEASE_LOST', 'Queued', 0),
  ('Rescued', 'other', '409 LEASE_LOST', 'Queued', 0),
  ('In Progress', 'none', 'Complete, changed', 'Complete', 1),
  ('In Progress', 'last', 'Complete, changed', 'Complete', 1),
  ('In Progress', 'other', '409 LEASE_LOST', 'In Progress', 0),
  ('Complete', 'none', 'Complete', 'Complete', 1),
  ('Complete', 'last', 'Complete', 'Complete', 1),
  ('Complete', 'other', '409 LEASE_LOST', 'Complete', 1),
  ('Failed', 'none', 'Failed', 'Failed', 0),
  ('Failed', 'last', '409 ILLEGAL_TRANSITION', 'Failed', 0),
  ('Failed', 'other', '409 LEASE_LOST', 'Failed', 0),
  ('Cancelled', 'none', 'Cancelled', 'Cancelled', 0),
  ('Cancelled', 'last', '409 ILLEGAL_TRANSITION', 'Cancelled', 0),
  ('Cancelled', 'other', '409 LEASE_LOST', 'Cancelled', 0);

create function pg_temp.try(p_owner uuid, p_state text, p_lease text, p_caller jsonb, out answer text, out ends_as text, out generations integer)
language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in(case p_state when 'Rescued' then 'In Progress' else p_state end, p_owner);
  v_lease uuid := (tests.task(v_task_id)).lease_token;
  v_before public.tasks;
begin
  if p_state = 'Rescued' then
    update public.tasks set status = 'Queued' where id = v_task_id;
  end if;
  v_before := tests.task(v_task_id);
  answer := tests.answer(format(
    'public.complete_task(%L, %L, ''https://files/late.mp4'', p_lease_token => %L) ->> ''status''',
    p_caller, v_task_id, case p_lease when 'last' then v_lease when 'other' then gen_random_uuid() end
  ));
  if tests.task(v_task_id) is distinct from v_before then
    answer := answer || ', changed';
  end if;
  ends_as := (tests.task(v_task_id)).status;
  generations := (select count(*) from public.generations as g where g.task_id = v_task_id);
end;
$$;

-- TEST: every cell, for the service
select is(
  t::text, row(c.answer, c.ends_as, c.generations)::text,
  format('complete_task() of a task that is %s, with %s lease', c.state, case c.lease when 'none' then 'no' when 'last' then 'its last' else 'another' end)
)
from cell as c
  cross join lateral pg_temp.try(:'owner', c.state, c.lease, tests.service()) as t;

-- TEST: the owner's token and the signed-in owner get the same answers
select tests.with_token(:'owner') as token \gset
select is(
  t::text, row(c.answer, c.ends_as, c.generations)::text, format('complete_task() by the owner''s token of a task that is %s', c.state)
)
from cell as c
  cross join lateral pg_temp.try(:'owner', c.state, c.lease, :'token') as t
where c.lease = 'none';
select is(
  t::text, row(c.answer, c.ends_as, c.generations)::text, format('complete_task() by the signed-in owner of a task that is %s', c.state)
)
from cell as c
  cross join lateral pg_temp.try(:'owner', c.state, c.lease, tests.signed_in(:'owner')) as t
where c.lease = 'none' and c.state in ('In Progress', 'Complete', 'Cancelled');

-- TEST: a stranger's token is told what it would be told of a task that does not exist, whatever the state
select tests.create_user() as stranger \gset
select tests.with_token(:'stranger') as strangers_token \gset
select is(
  array_agg(distinct t.answer), array['404 TASK_NOT_FOUND'], 'complete_task() by a stranger finds no task in any state'
)
from cell as c
  cross join lateral pg_temp.try(:'owner', c.state, c.lease, :'strangers_token') as t;
select is(
  tests.answer(format('public.complete_task(%L, %L)', tests.signed_in(:'stranger'), (select t.id from public.tasks as t where t.status = 'In Progress' limit 1))),
  '404 TASK_NOT_FOUND', 'complete_task() by a signed-in stranger finds no task'
);
select is(
  tests.answer(format('public.complete_task(%L, %L)', tests.service(), gen_random_uuid())),
  '404 TASK_NOT_FOUND', 'complete_task() of a task that does not exist says so'
);

-- TEST: what had no effect had none at all
select is_empty($$
  select t.id from public.tasks as t
  where t.status in ('Failed', 'Cancelled') and t.output_location = 'https://files/late.mp4'
$$, 'No ended task got an output');
select is_empty($$
  select t.id
  from public.tasks as t
    left join public.generations as g on g.task_id = t.id
  where t.generation_created is distinct from (g.id is not null) or t.output_location is distinct from g.location and g.id is not null
$$, 'Every task and its generation say the same');
select is(
  (select count(*)::integer from public.task_events where reason like '%not resurrected%'), 5,
  'A completion that came after the end is in the history'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
