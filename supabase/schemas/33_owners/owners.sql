-- Owners: how they are registered, and what a change of theirs means for their tasks.

-- What a user may do is copied into the user's slots row, so that a claim reads one row and one malformed setting
-- concerns one user. This also opens and closes the user's queues. If nothing of that changes, as for most changes of
-- credits, the user is not locked: a transaction left open afterwards blocks nobody. Per statement, so that many locks
-- are taken in order.
create function fairlane_core.users_after_write()
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
    join fairlane.owners as u on u.id = n.id
    left join fairlane_core.user_slots as s on s.user_id = n.id
    cross join lateral fairlane_core.slots_of(u, 0, 0, 0) as w
  where s.user_id is null
    or (s.task_limit, s.has_credits, s.cloud_on, s.local_on, s.settings_malformed, s.orchestration_limit)
      is distinct from (w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.orchestration_limit);

  if v_changed is null then
    return null;
  end if;

  perform fairlane_core.lock_owners(v_changed);
  insert into fairlane_core.user_slots as s
  select w.*
  from fairlane.owners as u
    cross join lateral fairlane_core.slots_of(u, 0, 0, 0) as w
  where u.id = any (v_changed)
  order by u.id
  on conflict (user_id) do update
    set (
      task_limit, has_credits, cloud_on, local_on, settings_malformed, cloud_reason, local_reason, orchestration_limit
    ) = (
      select
        w.task_limit, w.has_credits, w.cloud_on, w.local_on, w.settings_malformed, w.cloud_reason, w.local_reason,
        w.orchestration_limit
      from fairlane.owners as u
        cross join lateral fairlane_core.slots_of(u, s.running, s.orchestrating, s.remembered) as w
      where u.id = s.user_id
    );
  perform fairlane_core.refresh_queues(v_changed);
  return null;
end;
$$;

create trigger users_after_insert
  after insert on fairlane.owners
  referencing new table as new_rows
  for each statement execute function fairlane_core.users_after_write();

create trigger users_after_update
  after update on fairlane.owners
  referencing new table as new_rows
  for each statement execute function fairlane_core.users_after_write();

-- Creates a row for an owner seen for the first time, if fairlane_core.settings.registers_owners says so. Null: no
-- owner. Raises 400 OWNER_UNKNOWN when owners are accounts and this is none.
create function fairlane_core.register_owner(p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_settings fairlane_core.settings;
begin
  if p_user_id is null or exists (select from fairlane.owners as u where u.id = p_user_id) then
    return;
  end if;

  select s.* into v_settings from fairlane_core.settings as s;
  if not v_settings.registers_owners then
    return;
  elsif v_settings.owners_are_accounts and not fairlane_core.has_account(p_user_id) then
    perform fairlane_core.refuse(
      400, 'OWNER_UNKNOWN', pg_catalog.format('There is no account %s', p_user_id),
      'Send the id of a user who has signed up; for owners of another kind set fairlane_core.settings.owners_are_accounts to false'
    );
  end if;
  -- Two first tasks at once: the second waits for the first and then finds its row.
  insert into fairlane.owners (id) values (p_user_id) on conflict (id) do nothing;
end;
$$;

-- What a table of the app says about a user, for a trigger on that table (docs/adopt.md): null limits are the defaults
-- of fairlane_core.settings, null credits leave them as they are. Registers an owner who has not been seen; writes
-- nothing, and locks nobody, when all is as it was. Raises 400 OWNER_UNKNOWN.
create function fairlane_core.set_owner(
  p_user_id uuid,
  p_max_in_progress integer default null,
  p_max_orchestrating integer default null,
  p_credits numeric default null
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform fairlane_core.register_owner(p_user_id);
  update fairlane.owners as u
  set max_in_progress = p_max_in_progress, max_orchestrating = p_max_orchestrating, credits = coalesce(p_credits, u.credits)
  where u.id = p_user_id
    and (u.max_in_progress, u.max_orchestrating, u.credits)
      is distinct from (p_max_in_progress, p_max_orchestrating, coalesce(p_credits, u.credits));
end;
$$;

-- What an app stores with its users is read with each of them, so it has the bounds of params
-- (fairlane_core.json_fault): 413 PARAMS_TOO_LARGE.
create function fairlane_core.users_keep_settings_small()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' or new.settings is distinct from old.settings then
    perform fairlane_core.refuse_large_json(new.settings, 'settings');
  end if;
  return new;
end;
$$;

create trigger users_keep_settings_small
  before insert or update of settings on fairlane.owners
  for each row
  when (pg_column_size(new.settings) > 100)
  execute function fairlane_core.users_keep_settings_small();
