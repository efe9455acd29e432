-- What: direct changes of users are told by their ids, as those through functions are.
-- Why: 'authenticated' says no more than that it was somebody.
-- Back out: apply queue.actor and queue.tasks_before_insert of 20261123201000_rules.sql again.

set lock_timeout = '900ms';

-- Who is behind a change, for the history. Queue functions say it once per transaction; of a direct change through the
-- Data API the caller's JWT tells the user, or at least the role.
create or replace function queue.actor()
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_claims jsonb;
begin
  if coalesce(current_setting('queue.actor', true), '') <> '' then
    return current_setting('queue.actor', true);
  end if;
  v_claims := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
  return coalesce(
    case when v_claims ->> 'role' = 'authenticated' then 'user:' || (v_claims ->> 'sub') end,
    v_claims ->> 'role',
    session_user::text
  );
end;
$$;

comment on function queue.actor() is
  'Who is behind the current change: what the queue function in charge said, else the user or the role in the caller''s JWT, else the database user.';

revoke all on function queue.actor() from public, anon, authenticated, service_role;

-- What every new row gets, whoever inserts it: its owner, its pool and where it stands.
create or replace function queue.tasks_before_insert()
returns trigger
language plpgsql
security definer -- reads owner, type and dependencies on behalf of any caller who may insert
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_owner uuid;
begin
  if new.status <> 'Queued' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('A task begins Queued, this one was to begin %s', new.status),
      'Insert it Queued; claim, complete or fail it through the functions'
    );
  end if;

  perform queue.refuse_impossible_values(new);

  if new.project_id is not null then
    select p.user_id into v_owner from public.projects as p where p.id = new.project_id;
    -- An unknown project is left to the foreign key.
    new.user_id := coalesce(v_owner, new.user_id);
  end if;

  new.run_type := coalesce(new.run_type, 'cloud');
  new.params := queue.params_object(new.params);
  -- A default timestamp becomes the queue's own time. One that was given stays, unless a user gave it: an older task
  -- is served first.
  if new.created_at is null or new.created_at = pg_catalog.now() or queue.actor() ~ '^(authenticated$|user:)' then
    new.created_at := queue.now();
  end if;
  new.updated_at := coalesce(new.updated_at, new.created_at);

  select y.run_type, y.category <> 'orchestration'
  into new.pool, new.takes_slot
  from public.task_types as y
  where y.name = new.task_type;
  new.pool := coalesce(new.pool, 'gpu');
  new.takes_slot := coalesce(new.takes_slot, true);

  if new.dependant_on = new.id then
    perform queue.refuse(400, 'DEPENDENCY_CYCLE', 'A task cannot depend on itself');
  end if;
  new.model := queue.task_model(new.params);
  new.standing := queue.task_standing(new);
  return new;
end;
$$;

comment on function queue.tasks_before_insert() is 'Trigger: gives a new task its owner, pool and standing.';

revoke all on function queue.tasks_before_insert() from public, anon, authenticated, service_role;
