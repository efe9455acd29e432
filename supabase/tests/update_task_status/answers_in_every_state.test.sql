begin;
select plan(66);

-- SETUP: the whole table: the task's state, the status that is reported, and what comes of it with no lease, with the task's
-- last lease and with another one
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create temporary table cell (state text, reported text, without_lease text, with_last_lease text);
insert into cell values
  ('Queued', 'In Progress', '409 ILLEGAL_TRANSITION', null),
  ('Queued', 'Complete', '409 ILLEGAL_TRANSITION', null),
  ('Queued', 'Failed', 'Failed, changed', null),
  ('Queued', 'Cancelled', 'Cancelled, changed', null),
  ('Queued', 'Queued', 'Queued', null),
  ('Rescued', 'Queued', 'Queued', '409 LEASE_LOST'),
  ('Rescued', 'In Progress', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST'),
  ('Rescued', 'Complete', 'Complete, changed', '409 LEASE_LOST'),
  ('Rescued', 'Failed', 'Failed, changed', '409 LEASE_LOST'),
  ('Rescued', 'Cancelled', 'Cancelled, changed', '409 LEASE_LOST'),
  ('In Progress', 'In Progress', 'In Progress, changed', 'In Progress, changed'),
  ('In Progress', 'Complete', 'Complete, changed', 'Complete, changed'),
  ('In Progress', 'Failed', 'Failed, changed', 'Failed, changed'),
  ('In Progress', 'Cancelled', 'Cancelled, changed', 'Cancelled, changed'),
  ('In Progress', 'Queued', 'Queued, changed', 'Queued, changed'),
  ('Complete', 'In Progress', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Complete', 'Complete', 'Complete', 'Complete'),
  ('Complete', 'Failed', 'Complete', 'Complete'),
  ('Complete', 'Cancelled', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Complete', 'Queued', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Failed', 'In Progress', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Failed', 'Complete', 'Failed', '409 ILLEGAL_TRANSITION'),
  ('Failed', 'Failed', 'Failed', 'Failed'),
  ('Failed', 'Cancelled', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Failed', 'Queued', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Cancelled', 'In Progress', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Cancelled', 'Complete', 'Cancelled', '409 ILLEGAL_TRANSITION'),
  ('Cancelled', 'Failed', 'Cancelled', '409 ILLEGAL_TRANSITION'),
  ('Cancelled', 'Cancelled', 'Cancelled', 'Cancelled'),
  ('Cancelled', 'Queued', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION');

create function pg_temp.started_as(p_state text) returns text language sql as $$
  select case p_state when 'Rescued' then 'In Progress' else p_state end;
$$;
create function pg_temp.report(p_task_id uuid, p_reported text, p_lease uuid, p_caller jsonb default tests.service())
returns text language sql as $$
  select tests.answer(format(
    'public.update_task_status(%L, %L, %L, ''a text'', p_lease_token => %L) ->> ''status''',
    p_caller, p_task_id, p_reported, p_lease
  ));
$$;
create function pg_temp.try(p_owner uuid, p_state text, p_reported text, p_lease text, p_caller jsonb default tests.service())
returns text language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in(pg_temp.started_as(p_state), p_owner);
  v_lease uuid := (tests.task(v_task_id)).lease_token;
  v_before public.tasks;
  v_answer text;
begin
  if p_state = 'Rescued' then
    update public.tasks set status = 'Queued' where id = v_task_id;
  end if;
  v_before := tests.task(v_task_id);
  v_answer := pg_temp.report(
    v_task_id, p_reported, case p_lease when 'last' then v_lease when 'other' then gen_random_uuid() end, p_caller
  );
  if tests.task(v_task_id) is distinct from v_before then
    v_answer := v_answer || ', changed';
  end if;
  return v_answer;
end;
$$;

-- TEST: every cell without a lease
select is(
  pg_temp.try(:'owner', c.state, c.reported, 'none'), c.without_lease,
  format('update_task_status(%s) of a task that is %s, without a lease', c.reported, c.state)
)
from cell as c;

-- TEST: every cell with the task's last lease
select is(
  pg_temp.try(:'owner', c.state, c.reported, 'last'), c.with_last_lease,
  format('update_task_status(%s) of a task that is %s, with its last lease', c.reported, c.state)
)
from cell as c
where c.with_last_lease is not null;

-- TEST: another lease is refused everywhere and changes nothing
select is(
  array_agg(distinct pg_temp.try(:'owner', c.state, c.reported, 'other')), array['409 LEASE_LOST'],
  'update_task_status() with a stale lease is refused in every cell'
)
from cell as c;

-- TEST: the owner's token and the signed-in owner see the same as the service; but for the start of the billed part, progress
-- and a hand-back, which are the holder's
create function pg_temp.by_owner(p_cell cell) returns text language sql as $$
  select case
    when p_cell.state = 'In Progress' and p_cell.reported in ('In Progress', 'Queued') then '409 NOT_THE_HOLDER'
    else p_cell.without_lease
  end;
$$;
select tests.with_token(:'owner') as token \gset
select set_eq(
  format($$ select c.state, c.reported, pg_temp.try(%L, c.state, c.reported, 'none', %L) from cell as c $$, :'owner', :'token'),
  'select c.state, c.reported, pg_temp.by_owner(c) from cell as c', 'The owner''s token gets the same answers'
);
select set_eq(
  format(
    $$ select c.state, c.reported, pg_temp.try(%L, c.state, c.reported, 'none', %L) from cell as c $$,
    :'owner', tests.signed_in(:'owner')
  ),
  'select c.state, c.reported, pg_temp.by_owner(c) from cell as c', 'The signed-in owner gets the same answers'
);

-- TEST: a stranger sees no task, in no state
select tests.create_user() as stranger \gset
select tests.with_token(:'stranger') as strangers_token \gset
select is(
  array_agg(distinct pg_temp.try(:'owner', c.state, c.reported, 'none', :'strangers_token')), array['404 TASK_NOT_FOUND'],
  'A stranger''s token finds no task in any cell'
)
from cell as c;
select is(
  pg_temp.report(gen_random_uuid(), 'Failed', null), '404 TASK_NOT_FOUND', 'A task that does not exist is not found'
);

-- TEST: words
select tests.create_task_in('Complete', :'owner') as complete \gset
select throws_like(
  format('select public.update_task_status(%L, %L, ''In Progress'')', tests.service(), :'complete'),
  '%Complete%In Progress%', 'A refusal names both states'
);
select is(
  pg_temp.report(:'complete', 'Done', null) in ('400 INVALID_ARGUMENT', '409 ILLEGAL_TRANSITION'), true,
  'A status that does not exist is refused'
);

-- TEST: whatever happened, the counters are right and no ended task has changed its end
select is_empty('select * from tests.drift()', 'The counters are what a recount says');
select is_empty(
  $$ select e.task_id from public.task_events as e
     where e.from_status in ('Complete', 'Failed', 'Cancelled') and e.to_status <> e.from_status $$,
  'No task left a final state'
);
select is_empty(
  $$ select t.id from public.tasks as t where t.status = 'Failed' and coalesce(t.error_message, '') = '' $$,
  'No task is Failed without a reason'
);
select is_empty(
  $$
    select t.id
    from public.tasks as t
      left join public.generations as g on g.task_id = t.id
    where (t.status = 'Complete') is distinct from (g.id is not null)
  $$,
  'Every complete task has its generation, and no other task has one'
);

select * from finish();
rollback;
