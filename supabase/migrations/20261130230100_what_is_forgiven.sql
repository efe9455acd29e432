-- What: the comment of queue.settings.max_free_returns names the third way in which a start is taken off.
-- Why: a start that is handed out again because its reply was lost counts there, too.
-- Back out: nothing to do.

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

comment on column queue.settings.max_free_returns is
  'How often a start of a task may be taken off again, because its holder hands the task back, it never reached its worker, or it is handed out again because its reply was lost; after that each one counts, until somebody requeues the task. Default 10.';
