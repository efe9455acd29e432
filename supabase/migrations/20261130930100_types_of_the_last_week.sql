-- What: the types without a row that tasks were enqueued with in the week before this upgrade.
-- Why: what a fleet lives on is to be told at once, not when it comes again.
-- Back out: delete from queue.unknown_types.

set lock_timeout = '900ms';
set enable_seqscan = off; -- tasks are read by their age

insert into queue.unknown_types as u (name, task_count, first_seen_at, last_seen_at)
select t.task_type, count(*), min(t.created_at), max(t.created_at)
from public.tasks as t
where t.created_at > queue.now() - interval '7 days'
  and length(t.task_type) between 1 and 200
  and not exists (select from public.task_types as y where y.name = t.task_type)
group by t.task_type
order by count(*) desc
limit 1000
on conflict (name) do nothing;
