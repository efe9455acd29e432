-- What: the setting max_report_wait.
-- Why: a worker's report waits longer for its owner than other calls do, but not so long that its connection is missed.
-- Back out: alter table queue.settings drop column max_report_wait;

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

alter table queue.settings
  add column max_report_wait interval not null default interval '2 seconds',
  add constraint settings_max_report_wait_is_sane check (max_report_wait between interval '2 milliseconds' and interval '1 minute');

comment on column queue.settings.max_report_wait is
  'How long a worker''s report waits for an owner whom another transaction holds, before it is told to come again. Default 2 seconds.';
