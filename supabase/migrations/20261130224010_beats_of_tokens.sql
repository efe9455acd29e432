-- What: tasks.seen_at and tasks.is_beaten_for; the setting token_beat_limit.
-- Why: users' own machines may beat, too; one that does and falls silent is noticed within minutes, not within the hour.
-- Back out: alter table public.tasks drop column seen_at, drop column is_beaten_for;
--   alter table queue.settings drop column token_beat_limit; the functions of before come with their own migration.

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'queue.settings');

alter table public.tasks add column seen_at timestamptz, add column is_beaten_for boolean not null default false;

comment on column public.tasks.seen_at is
  'When the token that runs the task last gave a sign for it beside reports: a beat of its machine, or a call that names the task.';
comment on column public.tasks.is_beaten_for is 'True once the machine of a token has beaten for this start: then it is expected to go on.';

alter table queue.settings
  add column token_beat_limit interval not null default interval '5 minutes',
  add constraint settings_token_beat_limit_is_sane check (token_beat_limit between interval '1 second' and interval '100 years');

comment on column queue.settings.token_beat_limit is
  'The same once such a machine has beaten for the task. Default 5 minutes: lines at home fail more often than those of data centres.';
comment on column queue.settings.token_silence_limit is
  'The same for users'' own machines that do not beat. Default 58 minutes: with the job''s minute, and one run missed, an hour.';
