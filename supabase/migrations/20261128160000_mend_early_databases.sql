-- What: takes away what the migrations of November 23, as they are now, leave on a database that had them as they were.
-- Why: such a database is given the files that are new among them, in which a trigger and a rule are made for a step that
-- it has behind it, and two jobs are scheduled as they were before jobs recorded what they do. Elsewhere nothing happens.
-- Back out: nothing to do.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks');

drop trigger if exists tasks_are_completed on public.tasks;
drop function if exists public.complete_old_task();
alter table public.tasks drop constraint if exists tasks_are_complete;

select cron.schedule('queue-mend-orchestrations', '* * * * *', $$select queue.run_job('mend_orchestrations')$$);
select cron.schedule('queue-count-on', '* * * * *', $$select queue.run_job('count_on')$$);
