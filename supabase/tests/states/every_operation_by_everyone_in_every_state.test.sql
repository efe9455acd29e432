begin;
select plan(344);

-- SETUP: the whole table in one place. One row per state and operation, with what the holder of the last lease and the service,
-- which speaks without a lease as deployed workers do, are answered; ", changed" if the task is not as it was, ", recorded" if
-- its history says that it was not resurrected. New was never started, Queued was started and requeued: it has a former
-- holder, but no holder.
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 1000) as owner \gset
select tests.create_user() as stranger \gset
create temporary table cell (state text, operation text, holder text, service text);
insert into cell values
  ('New', 'complete', null, '409 ILLEGAL_TRANSITION'), ('New', 'say complete', null, '409 ILLEGAL_TRANSITION'),
  ('New', 'fail', null, 'Failed, changed'), ('New', 'fail, try again', null, 'Queued'),
  ('New', 'report progress', null, '409 ILLEGAL_TRANSITION'), ('New', 'hand back', null, 'Queued'),
  ('New', 'cancel', null, 'Cancelled, changed'), ('New', 'requeue', null, '0 requeued'), ('New', 'claim', null, 'claimed, changed'),
  ('Queued', 'complete', null, 'Complete, changed'), ('Queued', 'say complete', null, 'Complete, changed'),
  ('Queued', 'fail', null, 'Failed, changed'), ('Queued', 'fail, try again', null, 'Queued'),
  ('Queued', 'report progress', null, '409 ILLEGAL_TRANSITION'), ('Queued', 'hand back', null, 'Queued'),
  ('Queued', 'cancel', null, 'Cancelled, changed'), ('Queued', 'requeue', null, '0 requeued'),
  ('Queued', 'claim', null, 'claimed, changed'),
  ('In Progress', 'complete', 'Complete, changed', 'Complete, changed'),
  ('In Progress', 'say complete', 'Complete, changed', 'Complete, changed'), ('In Progress', 'fail', 'Failed, changed', 'Failed, changed'),
  ('In Progress', 'fail, try again', 'Queued, changed', 'Queued, changed'),
  ('In Progress', 'report progress', 'In Progress, changed', 'In Progress, changed'),
  ('In Progress', 'hand back', 'Queued, changed', 'Queued, changed'), ('In Progress', 'cancel', 'Cancelled, changed', 'Cancelled, changed'),
  ('In Progress', 'requeue', null, '0 requeued'), ('In Progress', 'claim', null, 'nothing'),
  ('Complete', 'complete', 'Complete', 'Complete'), ('Complete', 'say complete', 'Complete', 'Complete'),
  ('Complete', 'fail', 'Complete', 'Complete'), ('Complete', 'fail, try again', 'Complete', 'Complete'),
  ('Complete', 'report progress', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Complete', 'hand back', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Complete', 'cancel', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'), ('Complete', 'requeue', null, '0 requeued'),
  ('Complete', 'claim', null, 'nothing'),
  ('Failed', 'complete', '409 ILLEGAL_TRANSITION', 'Failed, recorded'),
  ('Failed', 'say complete', '409 ILLEGAL_TRANSITION', 'Failed, recorded'), ('Failed', 'fail', 'Failed', 'Failed'),
  ('Failed', 'fail, try again', 'Failed', 'Failed'), ('Failed', 'report progress', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Failed', 'hand back', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Failed', 'cancel', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'), ('Failed', 'requeue', null, '1 requeued, changed'),
  ('Failed', 'claim', null, 'nothing'),
  ('Cancelled', 'complete', '409 ILLEGAL_TRANSITION', 'Cancelled, recorded'),
  ('Cancelled', 'say complete', '409 ILLEGAL_TRANSITION', 'Cancelled, recorded'),
  ('Cancelled', 'fail', '409 ILLEGAL_TRANSITION', 'Cancelled'), ('Cancelled', 'fail, try again', '409 ILLEGAL_TRANSITION', 'Cancelled'),
  ('Cancelled', 'report progress', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'),
  ('Cancelled', 'hand back', '409 ILLEGAL_TRANSITION', '409 ILLEGAL_TRANSITION'), ('Cancelled', 'cancel', 'Cancelled', 'Cancelled'),
  ('Cancelled', 'requeue', null, '1 requeued, changed'), ('Cancelled', 'claim', null, 'nothing');
create temporary table speaker (who text, caller jsonb);
insert into speaker values
  ('holder', tests.service()), ('former', tests.service()), ('other', tests.service()), ('service', tests.service()),
  ('token', tests.with_token(:'owner')), ('signed-in owner', tests.signed_in(:'owner')),
  ('stranger', tests.with_token(:'stranger')), ('signed-in stranger', tests.signed_in(:'stranger'));

-- What everybody else is answered: a lease that is not the last is lost; owners are answered as the service is, but what a
-- holder alone may say of its start; strangers find nothing. Null: not tried.
create function pg_temp.expected(p_cell cell, p_who text) returns text language sql as $$
  select case
    when p_who = 'holder' then p_cell.holder
    when p_who = 'service' then p_cell.service
    when p_who = 'stranger' and p_cell.operation = 'requeue' then '403 FORBIDDEN'
    when p_who = 'stranger' and p_cell.operation = 'claim' then 'nothing'
    when p_cell.operation in ('requeue', 'claim') then null
    when p_who ~ 'stranger' then '404 TASK_NOT_FOUND'
    when p_who = 'other' then '409 LEASE_LOST'
    when p_who = 'former' then case when p_cell.state <> 'New' then '409 LEASE_LOST' end
    when p_cell.state <> 'In Progress' then p_cell.service
    when p_cell.operation in ('report progress', 'hand back') then '409 NOT_THE_HOLDER'
    when p_cell.operation = 'fail, try again' then 'In Progress'
    else p_cell.service
  end;
$$;

create function pg_temp.task_in(p_state text, p_owner uuid, out id uuid, out former uuid, out holder uuid) language plpgsql as $$
begin
  id := tests.create_task(p_owner);
  for v_start in 1..2 loop
    exit when p_state = 'New';
    former := coalesce(holder, gen_random_uuid());
    holder := gen_random_uuid();
    update public.tasks as t
    set status = 'In Progress', worker_id = 'gpu-' || v_start, lease_token = holder, attempts = v_start,
      claimed_at = fairlane_core.now(), generation_started_at = fairlane_core.now()
    where t.id = task_in.id;
    if v_start = 1 then
      update public.tasks as t set status = 'Queued' where t.id = task_in.id;
    end if;
  end loop;
  if p_state = 'Queued' then
    former := holder;
    holder := null;
  end if;
  update public.tasks as t
  set status = p_state,
    error_message = case p_state when 'Failed' then 'first reason' end,
    output_location = case p_state when 'Complete' then 'https://files/first.mp4' end
  where t.id = task_in.id
    and p_state in ('Queued', 'Complete', 'Failed', 'Cancelled');
end;
$$;

create function pg_temp.try(p_owner uuid, p_state text, p_operation text, p_who text, p_caller jsonb) returns text language plpgsql as $$
declare
  v_task record;
  v_before public.tasks;
  v_after public.tasks;
  v_answer text;
begin
  select t.* into v_task from pg_temp.task_in(p_state, p_owner) as t;
  v_before := tests.task(v_task.id);
  v_answer := tests.answer(format(
    case p_operation
      when 'complete' then 'public.complete_task(%1$L, %2$L, ''https://files/late.mp4'', p_lease_token => %3$L) ->> ''status'''
      when 'say complete' then 'public.update_task_status(%1$L, %2$L, ''Complete'', p_lease_token => %3$L) ->> ''status'''
      when 'fail' then 'public.update_task_status(%1$L, %2$L, ''Failed'', ''boom'', p_lease_token => %3$L) ->> ''status'''
      when 'fail, try again' then 'public.mark_task_failed(%1$L, %2$L, ''boom'', p_lease_token => %3$L) ->> ''status'''
      when 'report progress' then 'public.update_task_status(%1$L, %2$L, ''In Progress'', ''half'', p_lease_token => %3$L) ->> ''status'''
      when 'hand back' then 'public.update_task_status(%1$L, %2$L, ''Queued'', p_lease_token => %3$L) ->> ''status'''
      when 'cancel' then 'public.update_task_status(%1$L, %2$L, ''Cancelled'', p_lease_token => %3$L) ->> ''status'''
      when 'requeue' then '(public.requeue_tasks(array[%2$L]::uuid[], p_caller => %1$L) ->> ''requeued'') || '' requeued'''
      when 'claim' then 'case when public.claim_next_task(%1$L, ''gpu-next-'' || gen_random_uuid()) is null then ''nothing'' else ''claimed'' end'
    end,
    p_caller, v_task.id,
    case p_who when 'holder' then v_task.holder when 'former' then v_task.former when 'other' then gen_random_uuid() end
  ));
  v_after := tests.task(v_task.id);
  v_answer := v_answer || case when v_after is distinct from v_before then ', changed' else '' end
    || case when exists (
      select from public.task_events as e where e.task_id = v_task.id and e.reason like '%not resurrected%'
    ) then ', recorded' else '' end
    || case when v_after.status = 'Failed' and coalesce(v_after.error_message, '') = '' then ', without a reason' else '' end
    || case when (
      select array_agg(g.location) from public.generations as g where g.task_id = v_task.id
    ) is distinct from case when v_after.status = 'Complete' then array[v_after.output_location] end
      or v_after.generation_created is distinct from (v_after.status = 'Complete')
    then ', generations are wrong' else '' end;
  -- What is claimed next has the queue to itself.
  delete from public.tasks as t where t.id = v_task.id and p_operation = 'claim';
  return v_answer;
end;
$$;

-- TEST: every cell, claims first
select is(
  pg_temp.try(:'owner', c.state, c.operation, s.who, s.caller), pg_temp.expected(c, s.who),
  format('%s of a task that is %s, by the %s', c.operation, c.state, s.who)
)
from cell as c cross join speaker as s
where c.operation = 'claim' and pg_temp.expected(c, s.who) is not null;
select is(
  pg_temp.try(:'owner', c.state, c.operation, s.who, s.caller), pg_temp.expected(c, s.who),
  format('%s of a task that is %s, by the %s', c.operation, c.state, s.who)
)
from cell as c cross join speaker as s
where c.operation <> 'claim' and pg_temp.expected(c, s.who) is not null;

-- TEST: the table is whole
select is((select count(*)::integer from cell), 6 * 9, 'Every state has a row for every operation');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

-- TEST: what there is not, and words
select is(
  array_agg(tests.answer(format(c.call, tests.service(), gen_random_uuid()))), array_fill('404 TASK_NOT_FOUND'::text, array[3]),
  'A task that does not exist is not found'
)
from (values
  ('public.complete_task(%L, %L)'), ('public.update_task_status(%L, %L, ''Failed'')'), ('public.mark_task_failed(%L, %L, ''boom'')')
) as c (call);
select tests.create_task_in('Complete', :'owner') as complete \gset
select throws_like(
  format('select public.update_task_status(%L, %L, ''In Progress'')', tests.service(), :'complete'),
  '%Complete%In Progress%', 'A refusal names both states'
);
select matches(
  tests.answer(format('public.update_task_status(%L, %L, ''Done'')', tests.service(), :'complete')),
  '^(400 INVALID_ARGUMENT|409 ILLEGAL_TRANSITION)$', 'A status that does not exist is refused'
);

select * from finish();
rollback;
