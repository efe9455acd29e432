-- What: limits of a single task, types that are not retried, the waits between retries.
-- Why: a failure may be worth another try, and how many depends on the task.
-- Back out: drop the columns named here.

set lock_timeout = '900ms';
select queue.lock_tables('public.tasks', 'public.task_types', 'queue.settings');

alter table queue.settings add column retry_delay interval not null default interval '10 seconds';
alter table queue.settings add column max_retry_delay interval not null default interval '15 minutes';
alter table queue.settings
  add constraint settings_retry_delays_are_in_order check (retry_delay >= interval '0' and max_retry_delay >= retry_delay);

comment on column queue.settings.retry_delay is
  'How long a task waits after its first failed start that may be retried; each further one doubles it. Default 10 seconds.';
comment on column queue.settings.max_retry_delay is 'The longest such wait. Default 15 minutes.';

alter table public.task_types add column is_retryable boolean not null default true;

comment on column public.task_types.is_retryable is 'False ends a task at its first reported failure, whatever attempts are left.';

alter table public.tasks add column max_attempts integer;
alter table public.tasks add column timeout interval;
alter table public.tasks add column reported_at timestamptz;

comment on column public.tasks.max_attempts is 'How often this task may be started before it ends Failed; null = what its type or the settings say.';
comment on column public.tasks.timeout is 'How long one start of this task may run; null = what its type says.';
comment on column public.tasks.reported_at is 'When a call or a log last named the task.';

grant insert (max_attempts, timeout) on table public.tasks to service_role;
grant update (max_attempts, timeout) on table public.tasks to service_role;
