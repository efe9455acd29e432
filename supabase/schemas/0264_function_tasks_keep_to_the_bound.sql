-- After tasks_after_insert (triggers fire in the order of their names), which has taken the owner's lock and moved
-- the counters: nobody else can add to this owner's queue between the count and the commit.
create function queue.tasks_keep_to_the_bound()
returns trigger
language plpgsql
security definer -- reads settings and counters on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_bound integer;
  v_user_id uuid;
begin
  if not queue.acts_for_a_user() then
    return null;
  end if;

  select s.max_queued_per_user into v_bound from queue.settings as s;
  if v_bound is null then
    return null;
  end if;

  -- One after the other: as one query, the count is taken for each new row, and each row's orchestrator looked for.
  for v_user_id in select distinct n.user_id from new_rows as n loop
    if queue.queued_count(v_user_id) > v_bound and exists (
      select
      from new_rows as n
      where n.user_id = v_user_id
        and not queue.has_started_orchestrator(n)
    ) then
      perform queue.refuse(
        429, 'QUEUE_FULL',
        pg_catalog.format('A user has at most %s tasks queued, and with this there would be more', v_bound),
        'Wait until some have run, or cancel some'
      );
    end if;
  end loop;
  return null;
end;
$$;

comment on function queue.tasks_keep_to_the_bound() is
  'Trigger: refuses what a user enqueues beyond queue.settings.max_queued_per_user with 429 QUEUE_FULL.';

revoke all on function queue.tasks_keep_to_the_bound() from public, anon, authenticated, service_role;

create trigger tasks_after_insert_keep_to_the_bound
  after insert on public.tasks
  referencing new table as new_rows
  for each statement execute function queue.tasks_keep_to_the_bound();
