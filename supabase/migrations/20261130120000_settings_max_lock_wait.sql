-- What: the setting max_lock_wait.
-- Why: a claim that waits for as long as somebody else's transaction is open starves everybody's work.
-- Back out: alter table queue.settings drop column max_lock_wait;

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

alter table queue.settings
  add column max_lock_wait interval not null default interval '240 milliseconds',
  add constraint settings_max_lock_wait_is_sane check (max_lock_wait between interval '2 milliseconds' and interval '1 minute');

comment on column queue.settings.max_lock_wait is
  'How long a claim waits for one other transaction that holds what it needs, before it answers without; beats and jobs wait about half as long. Default 240 ms.';
