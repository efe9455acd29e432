-- What: bounds for names, starts and times of task types and settings; of a project, a user writes the name only.
-- Why: one number at the end of its range made every sum with it fail; ids and ages of projects are not their owners' to change.
-- Back out: drop the constraints whose names end in 1000, 30_days, 100_years and 200_characters; grant insert, update on public.projects to authenticated.
set lock_timeout = '900ms';

select queue.lock_tables('public.task_types', 'queue.settings', 'public.projects');

update public.task_types as y set max_attempts = 1000 where y.max_attempts > 1000;
update public.task_types as y set timeout = interval '30 days' where y.timeout > interval '30 days';
update queue.settings as s
set max_attempts = least(s.max_attempts, 1000),
  stale_after = least(s.stale_after, interval '100 years'),
  log_retention = least(s.log_retention, interval '100 years'),
  event_retention = least(s.event_retention, interval '100 years'),
  finished_task_retention = least(s.finished_task_retention, interval '100 years')
where s.max_attempts > 1000
  or greatest(s.stale_after, s.log_retention, s.event_retention, s.finished_task_retention) > interval '100 years';

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
