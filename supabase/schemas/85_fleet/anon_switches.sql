-- Reads and deletes with the public key, for deployed clients that have no other; closed unless an operator opens them
-- (docs/adr/0013-anon-reads-are-closed.md).

-- The switch of ADR 0013: whether the anon key may read tasks. Closed unless an operator has opened it. It also closes
-- what fairlane_core.allow_anon_deletes has opened.
-- The columns are those that deployed workers select or filter by. The rows are those of live and recent work: a worker
-- reads about running jobs, and holders of a public key have no business with the rest.
-- Opens or closes the reads of tasks with the anon key; see docs/adr/0013. For operators: no API role may execute it.
create function fairlane_core.allow_anon_reads(p_is_allowed boolean)
returns void
language plpgsql
volatile
security invoker -- whoever may change the table may use the switch
set search_path = ''
set lock_timeout = '5s' -- a policy needs the table exclusively for a moment; claims must not queue up behind that
as $$
begin
  drop policy if exists anyone_reads_fresh_tasks on fairlane.tasks;
  drop policy if exists anyone_deletes_spare_parts on fairlane.tasks;
  revoke all on table fairlane.tasks from anon;
  revoke all on function fairlane_core.is_spare_part(uuid) from anon;

  if p_is_allowed then
    grant select (
      id, task_type, params, status, project_id, dependant_on, worker_id, output_location, created_at
    ) on table fairlane.tasks to anon;
    -- Row security evaluates no `@>` before it, so these conditions must find the rows of B and G: each is the
    -- condition of an index, or its column. A bare status has no index for Queued, nor has updated_at, which each
    -- heartbeat changes.
    -- Not fairlane_core.now(): anon can execute nothing there. The conditions use columns that are not readable.
    create policy anyone_reads_fresh_tasks on fairlane.tasks
      for select to anon
      using ((
        status = 'In Progress'
        or readiness = 'ready'
        or readiness = 'not_yet'
        or readiness in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale')
        or created_at > now() - interval '3 days' and updated_at > now() - interval '1 day'
      ) and not jsonb_path_exists(params, '$.**.user_jwt'));
  end if;
end;
$$;

-- The second step of the switch of ADR 0013: whether the anon key, which then also reads tasks, may delete duplicate
-- children. Only those that were never started, and that another child replaces: misuse loses nobody's work. Clients
-- want the whole deleted row returned, so every column of these rows is readable.
-- Opens or closes the deletion of duplicate children with the anon key; opening it opens the reads too. See
-- docs/adr/0013. For operators: no API role may execute it.
create function fairlane_core.allow_anon_deletes(p_is_allowed boolean)
returns void
language plpgsql
volatile
security invoker -- whoever may change the table may use the switch
set search_path = ''
set lock_timeout = '5s' -- a policy needs the table exclusively for a moment; claims must not queue up behind that
as $$
begin
  -- The reads keep their state; this way nothing of an earlier step remains.
  perform fairlane_core.allow_anon_reads(
    p_is_allowed or exists (
      select
      from pg_catalog.pg_policy as p
      where p.polrelid = 'fairlane.tasks'::regclass and p.polname = 'anyone_reads_fresh_tasks'
    )
  );

  if p_is_allowed then
    grant select, delete on table fairlane.tasks to anon;
    grant execute on function fairlane_core.is_spare_part(uuid) to anon;
    create policy anyone_deletes_spare_parts on fairlane.tasks
      for delete to anon
      using (status = 'Queued' and attempts = 0 and fairlane_core.is_spare_part(id));
  end if;
end;
$$;

-- Whether another child would count again in this one's place if it is deleted (fairlane_core.leave_families), so that
-- nothing is lost. Not in the place of a failed one: that one would count again, and end the job. Policies call this
-- for roles that may read nothing else: anon may execute it while its deletes are allowed
-- (fairlane_core.allow_anon_deletes).
create function fairlane_core.is_spare_part(p_task_id uuid)
returns boolean
language plpgsql
stable
security definer -- called for anon, which may not read families
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  return exists (select from fairlane_core.subtasks as s where s.replaced_by = p_task_id)
    and not exists (
      select
      from fairlane_core.subtasks as s
        join fairlane.tasks as t on t.id = s.task_id
      where s.replaced_by = p_task_id and t.status = 'Failed'
    );
end;
$$;
