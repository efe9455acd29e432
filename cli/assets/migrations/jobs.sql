-- Fairlane: its jobs, by pg_cron: the work of dead machines is requeued, old rows go, counters are proven.
do $$
begin
  if to_regclass('cron.job') is null then
    raise exception 'The jobs of the queue need pg_cron, which this project has not enabled'
      using hint = 'Enable pg_cron under Integrations and push again; or delete this migration and let any timer run the jobs';
  end if;
end;
$$;

select fairlane_core.schedule_jobs();
