-- What: live tasks of types without a row whose name ends in _orchestrator are derived again, piece by piece.
-- Why: they took a slot, and a worker that claimed again got them back as another attempt.
-- Back out: nothing to do; a type's row says what it is.

set lock_timeout = '900ms';
set enable_seqscan = off; -- live tasks have an index

insert into queue.deferred_work (kind, task_type, since)
select distinct 'type', t.task_type, queue.now()
from public.tasks as t
where t.standing is not null
  and t.takes_slot
  and not queue.takes_slot(t.task_type, null)
  and not exists (select from public.task_types as y where y.name = t.task_type);
