-- What: how many tasks have ended so far, and the job that counts on from there.
-- Why: a file of its own, because a million rows must not be counted under the lock that a new column took.
-- Back out: unschedule queue-count-on; delete from queue.status_totals.

set lock_timeout = '900ms';
set statement_timeout = 0;

insert into queue.status_totals (status, task_count, last_event_id)
select s.status, count(t.id), (select coalesce(max(e.id), 0) from public.task_events as e)
from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
  left join public.tasks as t on t.status = s.status
group by s.status
on conflict (status) do nothing;

select cron.schedule('queue-count-on', '* * * * *', 'select queue.count_on()');
