-- What: bounds for names, starts and times of task types and settings; of a project, a user writes the name only.
-- Why: one number at the end of its range made every sum with it fail; ids and ages of projects are not their owners' to change.
-- Back out: drop the constraints whose names end in 1000, 30_days, 100_years and 200_characters; grant insert, update on public.projects to authenticated.
set lock_timeout = '900ms';

select queue.lock_tables('public.task_types', 'queue.settings', 'public.projects');

update public.task_types as y set max_attempts = 1000 where y.max_attempts > 1000;
update public.task_types as y set timeout = interval '30 days' where y.timeout > interval '30 days';
-- Whatever was longer than a hundred years comes to the same at a hundred; what is null stays so.
update queue.settings as s
set max_attempts = least(s.max_attempts, 1000),
  clock_offset = greatest(least(s.clock_offset, interval '100 years'), interval '-100 years'),
  stale_after = case when s.stale_after > interval '100 years' then interval '100 years' else s.stale_after end,
  max_affinity_wait = case when s.max_affinity_wait > interval '100 years' then interval '100 years' else s.max_affinity_wait end,
  gpu_silence_limit = case when s.gpu_silence_limit > interval '100 years' then interval '100 years' else s.gpu_silence_limit end,
  retry_delay = case when s.retry_delay > interval '100 years' then interval '100 years' else s.retry_delay end,
  max_retry_delay = case when s.max_retry_delay > interval '100 years' then interval '100 years' else s.max_retry_delay end,
  family_quiet_after = case when s.family_quiet_after > interval '100 years' then interval '100 years' else s.family_quiet_after end,
  worker_start_limit = case when s.worker_start_limit > interval '100 years' then interval '100 years' else s.worker_start_limit end,
  quiet_task_limit = case when s.quiet_task_limit > interval '100 years' then interval '100 years' else s.quiet_task_limit end,
  api_silence_limit = case when s.api_silence_limit > interval '100 years' then interval '100 years' else s.api_silence_limit end,
  token_silence_limit = case when s.token_silence_limit > interval '100 years' then interval '100 years' else s.token_silence_limit end,
  undelivered_limit = case when s.undelivered_limit > interval '100 years' then interval '100 years' else s.undelivered_limit end,
  dependency_grace = case when s.dependency_grace > interval '100 years' then interval '100 years' else s.dependency_grace end,
  log_retention = case when s.log_retention > interval '100 years' then interval '100 years' else s.log_retention end,
  event_retention = case when s.event_retention > interval '100 years' then interval '100 years' else s.event_retention end,
  finished_task_retention = case when s.finished_task_retention > interval '100 years' then interval '100 years' else s.finished_task_retention end
where s.max_attempts > 1000
  or greatest(
    s.stale_after, s.max_affinity_wait, s.gpu_silence_limit, s.clock_offset, -s.clock_offset, s.retry_delay, s.max_retry_delay,
    s.family_quiet_after, s.worker_start_limit, s.quiet_task_limit, s.api_silence_limit, s.token_silence_limit,
    s.undelivered_limit, s.dependency_grace, s.log_retention, s.event_retention, s.finished_task_retention
  ) > interval '100 years';

-- Names that are too long stay as they are.
alter table public.task_types
  add constraint task_types_name_has_1_to_200_characters check (length(name) between 1 and 200) not valid,
  add constraint task_types_max_attempts_is_at_most_1000 check (max_attempts <= 1000),
  add constraint task_types_timeout_is_at_most_30_days check (timeout <= interval '30 days');

alter table queue.settings
  add constraint settings_max_attempts_is_at_most_1000 check (max_attempts <= 1000),
  add constraint settings_intervals_are_at_most_100_years check (
    greatest(
      stale_after, max_affinity_wait, gpu_silence_limit, clock_offset, -clock_offset, retry_delay, max_retry_delay,
      family_quiet_after, worker_start_limit, quiet_task_limit, api_silence_limit, token_silence_limit,
      undelivered_limit, dependency_grace, log_retention, event_retention, finished_task_retention
    ) <= interval '100 years'
  );

comment on column public.task_types.max_attempts is 'Starts before a task ends Failed; at most 1000; null = queue.settings.max_attempts.';
comment on column public.task_types.timeout is 'How long one start may run, at most 30 days; null = no limit of its own.';

revoke insert, update on table public.projects from authenticated;
grant insert (id, user_id, name), update (name) on table public.projects to authenticated;
