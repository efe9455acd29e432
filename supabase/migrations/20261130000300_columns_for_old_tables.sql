-- What: the columns that the tables of August 2025 lack, and a trigger that completes old rows.
-- Why: a table with a million rows must not be rewritten while workers claim from it. Columns are added without a
-- rewrite; the next file fills them in small pieces, and until then this trigger keeps new and changed rows complete.
-- Back out: drop trigger tasks_are_completed on public.tasks; drop function public.complete_old_task(); the columns do
-- no harm.

set lock_timeout = '900ms';
select fairlane_core.lock_tables(
  'public.tasks', 'public.workers', 'public.users', 'public.projects', 'public.generations', 'public.user_api_tokens'
);

-- Databases of that time differ in small ways (a type for the status, foreign keys and checks that refuse what the
-- fleet sends). What blocks the upgrade is dropped; what is missing is added, in the order of supabase/schemas.
alter table public.tasks drop constraint if exists tasks_worker_id_fkey;

alter table public.tasks
  add column if not exists error_details text,
  add column if not exists result_data jsonb,
  add column if not exists generation_created boolean not null default false,
  add column if not exists updated_at timestamptz,
  add column if not exists thumbnail_url text,
  add column if not exists user_id uuid,
  add column if not exists run_type text,
  add column if not exists priority integer not null default 0,
  add column if not exists available_at timestamptz,
  add column if not exists idempotency_key text,
  add column if not exists lease_token uuid,
  add column if not exists claim_id text,
  add column if not exists claimed_at timestamptz,
  add column if not exists delivered_at timestamptz,
  add column if not exists token_id uuid,
  add column if not exists requeue_count integer not null default 0,
  add column if not exists pool text,
  add column if not exists takes_slot boolean,
  add column if not exists readiness text,
  add column if not exists model text,
  add column if not exists max_attempts integer,
  add column if not exists timeout interval,
  add column if not exists reported_at timestamptz,
  add column if not exists has_bounded_params boolean not null default false,
  add column if not exists released_at timestamptz,
  add column if not exists uncounted_releases integer not null default 0,
  add column if not exists file_location text,
  add column if not exists seen_at timestamptz,
  add column if not exists is_beaten_for boolean not null default false,
  add column if not exists runs_on_own_gpu boolean not null default false,
  add column if not exists claim_repeats integer not null default 0;

-- Only new rows get a run type: where old tasks should run is unknown, so they wait (no_run_type) until an operator
-- decides.
alter table public.tasks alter column run_type set default 'cloud';

alter table public.tasks
  alter column params set default '{}',
  alter column attempts set default 0,
  alter column created_at set default now(),
  alter column generation_created set default false;

alter table public.workers
  add column if not exists reaped_at timestamptz,
  add column if not exists failed_at timestamptz,
  add column if not exists goodbye_at timestamptz,
  add column if not exists ended_at timestamptz,
  add column if not exists kept_at timestamptz;

alter table public.users
  add column if not exists max_in_progress integer,
  add column if not exists max_orchestrating integer;

alter table public.projects add column if not exists deleted_at timestamptz;

alter table public.generations
  add column if not exists task_id uuid,
  add column if not exists user_id uuid,
  add column if not exists thumbnail_url text,
  add column if not exists parent_generation_id uuid,
  add column if not exists child_order integer,
  add column if not exists is_child boolean not null default false,
  add column if not exists based_on uuid;

alter table public.user_api_tokens
  add column if not exists token_hash text,
  add column if not exists token_prefix text not null default '',
  add column if not exists expires_at timestamptz,
  add column if not exists revoked_at timestamptz;

-- The constraints of the new columns are validated later (20261130000500_validate_old_rows.sql).
alter table public.users
  add constraint users_max_in_progress_is_not_negative check (max_in_progress >= 0) not valid,
  add constraint users_max_orchestrating_is_not_negative check (max_orchestrating >= 0) not valid;

alter table public.generations
  add constraint generations_belong_to_a_user
    foreign key (user_id) references public.users (id) on delete cascade not valid,
  add constraint generations_come_from_a_task
    foreign key (task_id) references public.tasks (id) on delete set null not valid;

-- As text, a new status is a line in a migration and not a type that locks the table. Changing the type of a column
-- rewrites its table, so a text column is filled next to the enum and replaces it later (20261130000800_swap.sql).
do $$
begin
  if exists (
    select
    from pg_attribute as a
    where a.attrelid = 'public.tasks'::regclass
      and a.attname = 'status'
      and a.atttypid <> 'text'::regtype
  ) then
    if exists (select from public.tasks) then
      alter table public.tasks add column if not exists status_as_text text;
    else
      alter table public.tasks alter column status drop default;
      alter table public.tasks alter column status type text using status::text;
      alter table public.tasks alter column status set default 'Queued';
    end if;
  end if;
end;
$$;

create or replace function public.complete_old_task()
returns trigger
language plpgsql
volatile
security definer -- whoever writes a task may not be allowed to read its project
set search_path = ''
as $$
begin
  new.params := coalesce(new.params, '{}');
  new.attempts := coalesce(new.attempts, 0);
  new.created_at := coalesce(new.created_at, new.updated_at, new.generation_started_at, now());
  new.generation_created := coalesce(new.generation_created, false);
  -- Where deployed workers write the reason of a failure.
  if new.status::text = 'Failed' and new.error_message is null then
    new.error_message := coalesce(nullif(new.output_location, ''), nullif(new.error_details, ''));
  end if;
  if new.user_id is null and new.project_id is not null then
    select p.user_id into new.user_id from public.projects as p where p.id = new.project_id;
  end if;
  -- With jsonb_populate_record, because the column exists only next to an enum.
  return jsonb_populate_record(
    new,
    jsonb_build_object('status', coalesce(new.status::text, 'Queued'), 'status_as_text', coalesce(new.status::text, 'Queued'))
  );
end;
$$;

comment on function public.complete_old_task() is
  'Trigger of the upgrade from August 2025: fills in what can be known of a row. Gone once that is done.';

revoke all on function public.complete_old_task() from public, anon, authenticated, service_role;

drop trigger if exists tasks_are_completed on public.tasks;
create trigger tasks_are_completed
  before insert or update on public.tasks
  for each row execute function public.complete_old_task();
