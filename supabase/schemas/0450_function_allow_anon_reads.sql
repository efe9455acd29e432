-- The switch of ADR 0013: whether the anon key reads tasks. Closed unless an operator has opened it.
-- It also takes back what queue.allow_anon_deletes has opened beyond that.
-- The columns are those that deployed workers ask for or filter by. The rows are those of live and fresh work: a worker
-- reads about jobs that run, and the rest is nobody's business who only knows a public key.
create function queue.allow_anon_reads(p_is_allowed boolean)
returns void
language plpgsql
volatile
security invoker -- whoever may change the table may turn the switch
set search_path = ''
set lock_timeout = '5s' -- a policy needs the table for itself, for a moment; claims must not queue up behind that
as $$
begin
  drop policy if exists anyone_reads_fresh_tasks on public.tasks;
  drop policy if exists anyone_deletes_spare_parts on public.tasks;
  revoke all on table public.tasks from anon;
  revoke all on function queue.is_spare_part(uuid) from anon;

  if p_is_allowed then
    grant select (
      id, task_type, params, status, project_id, dependant_on, worker_id, output_location, created_at
    ) on table public.tasks to anon;
    -- Row security lets no `@>` go before it, so these conditions are what finds the rows of B and G: each is that of an
    -- index, or its column's. A bare status has none for Queued, nor has updated_at, which each beat moves.
    -- Not queue.now(): anon can execute nothing in there. Columns are asked that are not shown.
    create policy anyone_reads_fresh_tasks on public.tasks
      for select to anon
      using ((
        status = 'In Progress'
        or standing = 'ready'
        or standing = 'not_yet'
        or standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'dependency_lost', 'stale')
        or created_at > now() - interval '3 days' and updated_at > now() - interval '1 day'
      ) and not jsonb_path_exists(params, '$.**.user_jwt'));
  end if;
end;
$$;

comment on function queue.allow_anon_reads(boolean) is
  'Opens or closes the reads of tasks with the anon key; see docs/adr/0013. For operators: no API role may execute it.';

revoke all on function queue.allow_anon_reads(boolean) from public, anon, authenticated, service_role;
