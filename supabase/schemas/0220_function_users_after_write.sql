-- What a user may is copied into the user's slots row, so that a claim reads one row and one malformed setting
-- concerns one user. Closing or opening the user's lines happens here too. Of users for whom nothing of that changes, as
-- of most whose credits do, no lock is taken: a transaction that is left open after it holds nobody up. Per statement, so
-- that the locks on many are taken in order.
create function queue.users_after_write()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may write users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made for one user must be right for twenty thousand
as $$
declare
  v_changed uuid[];
begin
  select array_agg(n.id)
  into v_changed
  from new_rows as n
    join public.users as u on u.id = n.id
    left join queue.user_slots as s on s.user_id = n.id
    cross join lateral queue.slots_of(u, 0, 0, 0) as w
  where s.user_id is null
    or (s.task_limit, s.has_credits, s.cloud_on, s.local_on, s.settings_malformed, s.orchestration_limit)
      is distinct from (w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.orchestration_limit);

  if v_changed is null then
    return null;
  end if;

  perform queue.lock_owners(v_changed);
  insert into queue.user_slots as s
  select w.*
  from public.users as u
    cross join lateral queue.slots_of(u, 0, 0, 0) as w
  where u.id = any (v_changed)
  order by u.id
  on conflict (user_id) do update
    set (
      task_limit, has_credits, cloud_on, local_on, settings_malformed, cloud_reason, local_reason, orchestration_limit
    ) = (
      select
        w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.cloud_reason, w.local_reason,
        w.orchestration_limit
      from public.users as u
        cross join lateral queue.slots_of(u, s.running, s.orchestrating, s.remembered) as w
      where u.id = s.user_id
    );
  perform queue.refresh_lines(v_changed);
  return null;
end;
$$;

comment on function queue.users_after_write() is
  'Trigger: keeps queue.user_slots and the users'' lines in step with the rows of users. Locks those alone of whom something changes that a claim asks for, in the order of their ids.';

revoke all on function queue.users_after_write() from public, anon, authenticated, service_role;

create trigger users_after_insert
  after insert on public.users
  referencing new table as new_rows
  for each statement execute function queue.users_after_write();

create trigger users_after_update
  after update on public.users
  referencing new table as new_rows
  for each statement execute function queue.users_after_write();
