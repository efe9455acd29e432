-- What: plain writes over the Data API wait for a lock 500 ms (users), 2 s (service key), not the 8 s of a statement.
-- Why: fifteen inserts for an owner whom an open transaction holds took all connections of PostgREST, and nobody else's call was answered.
-- Back out: alter role … reset lock_timeout for anon, authenticated and service_role; notify pgrst, 'reload config'.
set lock_timeout = '900ms';

do $$
declare
  v_role record;
begin
  for v_role in
    select r.rolname as name, w.max_wait
    from (values ('anon', '500ms'), ('authenticated', '500ms'), ('service_role', '2s')) as w (name, max_wait)
      join pg_catalog.pg_roles as r on r.rolname = w.name
    -- What the project has set stays.
    where not exists (select from unnest(r.rolconfig) as c (setting) where c.setting like 'lock_timeout=%')
  loop
    execute format('alter role %I set lock_timeout = %L', v_role.name, v_role.max_wait);
  end loop;
end;
$$;

notify pgrst, 'reload config';
