-- What: the jobs of pg_cron, how long the roles of the API wait for a lock, the bucket of results.
-- Why: time alone changes what is due and what is stale; functions and deployed clients keep files.
-- Back out: select cron.unschedule(jobname) from cron.job where jobname like 'fairlane-%'; alter role … reset lock_timeout.
-- Written by `npm run migrations`, from supabase/schemas.

set lock_timeout = '900ms';

-- What is set up besides the two schemas: the jobs of pg_cron, lock timeouts of the API roles, the bucket.

create extension if not exists pg_cron;

select fairlane_core.schedule_jobs();

-- A plain write over the Data API that waits for a lock holds one of PostgREST's few connections; PostgREST applies
-- these settings to each request. Functions of the API have settings of their own (fairlane_core.refuse_while_locked).
do $$
declare
  v_role record;
begin
  for v_role in
    select r.rolname as name, w.max_wait
    from (values ('anon', '500ms'), ('authenticated', '500ms'), ('service_role', '2s')) as w (name, max_wait)
      join pg_catalog.pg_roles as r on r.rolname = w.name
    -- Existing settings of the project stay.
    where not exists (select from unnest(r.rolconfig) as c (setting) where c.setting like 'lock_timeout=%')
  loop
    execute format('alter role %I set lock_timeout = %L', v_role.name, v_role.max_wait);
  end loop;
end;
$$;

notify pgrst, 'reload config';

select fairlane_core.make_bucket();

-- Its owner has chosen that setting, and may not know what it means here.
do $$
begin
  if to_regclass('storage.buckets') is not null
    and not (select b.public from storage.buckets as b where b.id = 'image_uploads') then
    raise warning 'The bucket image_uploads is private: the URLs of results will not open. Make it public.';
  end if;
end;
$$;
