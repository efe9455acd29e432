-- When a worker's row or token says that it has ended, its work is requeued at once.

-- Requeues the work of a worker whose row says that it has ended, whoever wrote the row.
create function fairlane_core.workers_after_write()
returns trigger
language plpgsql
security definer -- requeues tasks on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_ended text[];
begin
  if current_setting('fairlane_core.mode', true) = 'rescues' then
    return null;
  end if;
  -- A heartbeat writes its worker's row: it must pay neither for the join nor for the triggers of tasks, which also run
  -- for no rows.
  if not exists (select from new_rows as n where n.status is distinct from 'active' and fairlane_core.has_ended(n.status)) then
    return null;
  end if;
  v_ended := array(
    select n.id
    from new_rows as n
      full join old_rows as o on o.id = n.id -- never compares every pair, see fairlane_core.tasks_after_update
    where coalesce(fairlane_core.has_ended(n.status) and o.status is distinct from n.status, false)
  );
  if cardinality(v_ended) > 0 then
    perform fairlane_core.free_work(v_ended);
  end if;
  return null;
end;
$$;

create trigger workers_after_write
  after update on fairlane.workers
  referencing old table as old_rows new table as new_rows
  for each statement execute function fairlane_core.workers_after_write();

-- The same for a worker whose row is created only when it ends: workers may claim before they have one.
create function fairlane_core.workers_after_insert()
returns trigger
language plpgsql
security definer -- requeues tasks on behalf of any caller who may write workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_ended text[] := array(select n.id from new_rows as n where fairlane_core.has_ended(n.status));
begin
  if cardinality(v_ended) > 0 then
    perform fairlane_core.free_work(v_ended);
  end if;
  return null;
end;
$$;

create trigger workers_after_insert
  after insert on fairlane.workers
  referencing new table as new_rows
  for each statement execute function fairlane_core.workers_after_insert();

-- Requeues tasks of workers whose row was deleted, and frees the slots they still held.
create function fairlane_core.workers_after_delete()
returns trigger
language plpgsql
security definer -- requeues tasks on behalf of any caller who may delete workers
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set lock_timeout = '60ms' -- waits for nobody's open transaction (fairlane_core.free_work)
as $$
begin
  update fairlane.tasks as t
  set status = 'Queued',
    error_message = pg_catalog.format(
      'Attempt %s ended without a result: the row of worker %s was deleted', greatest(t.attempts, 1), t.worker_id
    )
  from old_rows as o
  where t.worker_id = o.id
    and t.token_id is null
    and t.status = 'In Progress'
    and not fairlane_core.is_waiting_for_children(t);
  perform fairlane_core.let_go_of(e.id, null, null, null) from (select o.id from old_rows as o order by 1) as e;
  return null;
exception when lock_not_available then
  return null; -- these tasks get no more heartbeats: a rescue finds them
end;
$$;

create trigger workers_after_delete
  after delete on fairlane.workers
  referencing old table as old_rows
  for each statement execute function fairlane_core.workers_after_delete();

-- A machine whose token is revoked can report nothing any more, so its tasks are requeued at once; that attempt is not
-- counted. The rescue finds tokens that expire or are deleted, and a claim that was under way, within a minute.
create function fairlane_core.user_api_tokens_after_update()
returns trigger
language plpgsql
security definer -- requeues tasks on behalf of any caller who may revoke
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_lost fairlane_core.lost_task[];
begin
  select array_agg((
    t.id, t.lease_token, t.reported_at, t.worker_id, 'token_ended',
    pg_catalog.format(
      'Attempt %s ended without a result: the token of the user''s machine %s was revoked',
      greatest(t.attempts, 1), fairlane_core.sent_name(t.worker_id)
    )
  )::fairlane_core.lost_task)
  into v_lost
  from new_rows as n
    join old_rows as o on o.id = n.id
    join fairlane.tasks as t on t.token_id = n.id -- running tasks, which have an index
  where n.revoked_at is not null
    and o.revoked_at is null
    and t.status = 'In Progress'
    and not fairlane_core.is_waiting_for_children(t);
  if v_lost is not null then
    perform fairlane_core.requeue_lost(v_lost);
  end if;
  return null;
end;
$$;

create trigger user_api_tokens_after_update
  after update on fairlane.user_api_tokens
  referencing old table as old_rows new table as new_rows
  for each statement execute function fairlane_core.user_api_tokens_after_update();

-- Requeues the work of ended workers in one statement, so that the owners of all its tasks are locked in order. A
-- worker that ends itself releases its work, and one that is sent home did not fail: that attempt does not count
-- (fairlane_core.tasks_before_update). It does not wait for another transaction that holds a task or its owner: then
-- all of it is left to the next rescue, which sees that the worker has ended.
-- Frees what these workers still held, and requeues what they run with the service key, except orchestrators that only
-- wait for their children, unless somebody holds one of these tasks or its owner. Attempts do not count when
-- p_hands_back, when the worker said goodbye (workers.goodbye_at) or when it was sent home
-- (fairlane_core.is_taken_home).
create function fairlane_core.free_work(p_worker_ids text[], p_hands_back boolean default false)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '60ms' -- restored when the function ends; the effective value is set below
as $$
begin
  perform fairlane_core.limit_lock_waits(0.25);
  perform set_config('fairlane_core.mode', 'forgives_starts', true);
  begin
    update fairlane.tasks as t
    set status = 'Queued',
      attempts = t.attempts - (p_hands_back or w.goodbye_at is not null or fairlane_core.is_taken_home(w, t))::integer,
      error_message = case
        when p_hands_back or w.goodbye_at is not null then pg_catalog.format(
          'Attempt %s was released: worker %s said that it ends', greatest(t.attempts, 1), w.id
        )
        when fairlane_core.is_taken_home(w, t) then fairlane_core.reason_of_home(w, t.attempts)
        else pg_catalog.format(
          'Attempt %s ended without a result: worker %s is %s%s',
          greatest(t.attempts, 1), w.id, w.status, coalesce(' (' || (w.metadata ->> 'error_reason') || ')', '')
        )
      end
    from fairlane.workers as w
    where w.id = any (p_worker_ids)
      and t.worker_id = w.id
      and t.token_id is null
      and t.status = 'In Progress'
      and not fairlane_core.is_waiting_for_children(t);
  exception when lock_not_available then
    null;
  end;
  perform set_config('fairlane_core.mode', '', true);
  -- Nor do they hold any longer what others had ended under them before.
  perform fairlane_core.let_go_of(e.id, null, null, null) from (select i.id from unnest(p_worker_ids) as i (id) order by i.id) as e;
end;
$$;
