begin;
select plan(152);

-- SETUP: the whole table in one place. One row per state and operation; per caller what it is answered, and ", changed" if
-- the task is not as it was. The holder has the lease of the last start, the former holder that of the start before it; the
-- service speaks without a lease, as deployed workers do; the stranger has a token of another user. New was never started,
-- Queued was started and put back: it has a former holder, but no holder.
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 1000) as owner \gset
select tests.create_user() as stranger \gset
select tests.with_token(:'stranger') as strangers_token \gset
create temporary table cell (state text, operation text, holder text, former text, service text, stranger text);
insert into cell values
  ('New', 'complete', null, null, '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('New', 'fail', null, null, 'Failed, changed', '404 TASK_NOT_FOUND'),
  ('New', 'fail, try again', null, null, 'Queued', '404 TASK_NOT_FOUND'),
  ('New', 'report progress', null, null, '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('New', 'hand back', null, null, 'Queued', '404 TASK_NOT_FOUND'),
  ('New', 'cancel', null, null, 'Cancelled, changed', '404 TASK_NOT_FOUND'),
  ('New', 'requeue', null, null, '0 requeued', '403 FORBIDDEN'),
  ('New', 'claim', null, null, 'claimed, changed', 'nothing'),

  ('Queued', 'complete', null, '409 LEASE_LOST', 'Complete, changed', '404 TASK_NOT_FOUND'),
  ('Queued', 'fail', null, '409 LEASE_LOST', 'Failed, changed', '404 TASK_NOT_FOUND'),
  ('Queued', 'fail, try again', null, '409 LEASE_LOST', 'Queued', '404 TASK_NOT_FOUND'),
  ('Queued', 'report progress', null, '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Queued', 'hand back', null, '409 LEASE_LOST', 'Queued', '404 TASK_NOT_FOUND'),
  ('Queued', 'cancel', null, '409 LEASE_LOST', 'Cancelled, changed', '404 TASK_NOT_FOUND'),
  ('Queued', 'requeue', null, null, '0 requeued', '403 FORBIDDEN'),
  ('Queued', 'claim', null, null, 'claimed, changed', 'nothing'),

  ('In Progress', 'complete', 'Complete, changed', '409 LEASE_LOST', 'Complete, changed', '404 TASK_NOT_FOUND'),
  ('In Progress', 'fail', 'Failed, changed', '409 LEASE_LOST', 'Failed, changed', '404 TASK_NOT_FOUND'),
  ('In Progress', 'fail, try again', 'Queued, changed', '409 LEASE_LOST', 'Queued, changed', '404 TASK_NOT_FOUND'),
  ('In Progress', 'report progress', 'In Progress, changed', '409 LEASE_LOST', 'In Progress, changed', '404 TASK_NOT_FOUND'),
  ('In Progress', 'hand back', 'Queued, changed', '409 LEASE_LOST', 'Queued, changed', '404 TASK_NOT_FOUND'),
  ('In Progress', 'cancel', 'Cancelled, changed', '409 LEASE_LOST', 'Cancelled, changed', '404 TASK_NOT_FOUND'),
  ('In Progress', 'requeue', null, null, '0 requeued', '403 FORBIDDEN'),
  ('In Progress', 'claim', null, null, 'nothing', 'nothing'),

  ('Complete', 'complete', 'Complete', '409 LEASE_LOST', 'Complete', '404 TASK_NOT_FOUND'),
  ('Complete', 'fail', 'Complete', '409 LEASE_LOST', 'Complete', '404 TASK_NOT_FOUND'),
  ('Complete', 'fail, try again', 'Complete', '409 LEASE_LOST', 'Complete', '404 TASK_NOT_FOUND'),
  ('Complete', 'report progress', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Complete', 'hand back', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Complete', 'cancel', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Complete', 'requeue', null, null, '0 requeued', '403 FORBIDDEN'),
  ('Complete', 'claim', null, null, 'nothing', 'nothing'),

  ('Failed', 'complete', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', 'Failed', '404 TASK_NOT_FOUND'),
  ('Failed', 'fail', 'Failed', '409 LEASE_LOST', 'Failed', '404 TASK_NOT_FOUND'),
  ('Failed', 'fail, try again', 'Failed', '409 LEASE_LOST', 'Failed', '404 TASK_NOT_FOUND'),
  ('Failed', 'report progress', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Failed', 'hand back', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Failed', 'cancel', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Failed', 'requeue', null, null, '1 requeued, changed', '403 FORBIDDEN'),
  ('Failed', 'claim', null, null, 'nothing', 'nothing'),

  ('Cancelled', 'complete', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', 'Cancelled', '404 TASK_NOT_FOUND'),
  ('Cancelled', 'fail', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', 'Cancelled', '404 TASK_NOT_FOUND'),
  ('Cancelled', 'fail, try again', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', 'Cancelled', '404 TASK_NOT_FOUND'),
  ('Cancelled', 'report progress', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Cancelled', 'hand back', '409 ILLEGAL_TRANSITION', '409 LEASE_LOST', '409 ILLEGAL_TRANSITION', '404 TASK_NOT_FOUND'),
  ('Cancelled', 'cancel', 'Cancelled', '409 LEASE_LOST', 'Cancelled', '404 TASK_NOT_FOUND'),
  ('Cancelled', 'requeue', null, null, '1 requeued, changed', '403 FORBIDDEN'),
  ('Cancelled', 'claim', null, null, 'nothing', 'nothing');

create function pg_temp.task_in(p_state text, p_owner uuid, out id uuid, out former uuid, out holder uuid) language plpgsql as $$
begin
  id := tests.create_task(p_owner);
  for v_start in 1..2 loop
    exit when p_state = 'New';
    former := coalesce(holder, gen_random_uuid());
    holder := gen_random_uuid();
    update public.tasks as t
    set status = 'In Progress', worker_id = 'gpu-' || v_start, lease_token = holder, attempts = v_start,
      claimed_at = queue.now(), generation_started_at = queue.now()
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

create function pg_temp.try(p_owner uuid, p_state text, p_operation text, p_who text, p_stranger jsonb)
returns text language plpgsql as $$
declare
  v_task record;
  v_caller jsonb := case p_who when 'stranger' then p_stranger else tests.service() end;
  v_lease uuid;
  v_before public.tasks;
  v_answer text;
begin
  select t.* into v_task from pg_temp.task_in(p_state, p_owner) as t;
  v_lease := case p_who when 'holder' then v_task.holder when 'former' then v_task.former end;
  v_before := tests.task(v_task.id);
  v_answer := tests.answer(format(
    case p_operation
      when 'complete' then 'public.complete_task(%1$L, %2$L, ''https://files/late.mp4'', p_lease_token => %3$L) ->> ''status'''
      when 'fail' then 'public.update_task_status(%1$L, %2$L, ''Failed'', ''boom'', p_lease_token => %3$L) ->> ''status'''
      when 'fail, try again' then 'public.mark_task_failed(%1$L, %2$L, ''boom'', p_lease_token => %3$L) ->> ''status'''
      when 'report progress' then 'public.update_task_status(%1$L, %2$L, ''In Progress'', ''half'', p_lease_token => %3$L) ->> ''status'''
      when 'hand back' then 'public.update_task_status(%1$L, %2$L, ''Queued'', p_lease_token => %3$L) ->> ''status'''
      when 'cancel' then 'public.update_task_status(%1$L, %2$L, ''Cancelled'', p_lease_token => %3$L) ->> ''status'''
      when 'requeue' then '(public.requeue_tasks(array[%2$L]::uuid[], p_caller => %1$L) ->> ''requeued'') || '' requeued'''
      when 'claim' then 'case when public.claim_next_task(%1$L, ''gpu-next-'' || gen_random_uuid()) is null then ''nothing'' else ''claimed'' end'
    end,
    v_caller, v_task.id, v_lease
  ));
  if tests.task(v_task.id) is distinct from v_before then
    v_answer := v_answer || ', changed';
  end if;
  -- The next cell has the queue to itself.
  delete from public.tasks as t where t.id = v_task.id;
  return v_answer;
end;
$$;

-- TEST: every cell
select is(
  pg_temp.try(:'owner', c.state, c.operation, a.who, :'strangers_token'), a.expected,
  format('%s of a task that is %s, by the %s', c.operation, c.state, a.who)
)
from cell as c
  cross join lateral (values ('holder', c.holder), ('former', c.former), ('service', c.service), ('stranger', c.stranger)) as a (who, expected)
where a.expected is not null;

-- TEST: the table is whole
select is((select count(*)::integer from cell), 6 * 8, 'Every state has a row for every operation');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
