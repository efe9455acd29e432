-- What: where tasks are read with the anon key (docs/adr/0013), those that hold a user's JWT anywhere in their params are not.
-- Why: it was looked for at the top of the params alone.
-- Back out: select queue.allow_anon_reads(true), after the function of the files before this one was applied again.

set lock_timeout = '900ms';

do $$
begin
  if exists (
    select
    from pg_catalog.pg_policy as p
    where p.polrelid = 'public.tasks'::regclass and p.polname = 'anyone_reads_fresh_tasks'
  ) then
    alter policy anyone_reads_fresh_tasks on public.tasks
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
