create extension if not exists pg_cron;

select queue.schedule_jobs();
