-- A machine whose token is taken back can report nothing any more, so its tasks go back at once. Tokens that expire or
-- are deleted, and a claim that was under way, are seen by the rescue within a minute.
create function queue.user_api_tokens_after_update()
returns trigger
language plpgsql
security definer -- puts tasks back on behalf of any caller who may revoke
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_lost queue.lost_task[];
begin
  select array_agg((
    t.id, t.lease_token, t.reported_at, t.worker_id, 'token_ended',
    pg_catalog.format(
      'Start %s ended without a result: the token of the user''s machine %s was revoked',
      greatest(t.attempts, 1), queue.sent_name(t.worker_id)
    )
  )::queue.lost_task)
  into v_lost
  from new_rows as n
    join old_rows as o on o.id = n.id
    join public.tasks as t on t.token_id = n.id -- of those that run, which have an index
  where n.revoked_at is not null
    and o.revoked_at is null
    and t.status = 'In Progress'
    and not queue.needs_no_worker(t);
  if v_lost is not null then
    perform queue.put_back(v_lost);
  end if;
  return null;
end;
$$;

comment on function queue.user_api_tokens_after_update() is
  'Trigger: the running tasks of tokens that have just been revoked go back to the queue; that start is not counted.';

revoke all on function queue.user_api_tokens_after_update() from public, anon, authenticated, service_role;

create trigger user_api_tokens_after_update
  after update on public.user_api_tokens
  referencing old table as old_rows new table as new_rows
  for each statement execute function queue.user_api_tokens_after_update();
