-- What: a user's own machine counts as gone after 58 minutes without a word, not after 60.
-- Why: nothing may stay In Progress for more than an hour without a sign of life. The job that looks runs once a minute,
-- and one run may be missed. A limit that an operator has set to something else than an hour is kept.
-- Back out: set the default, the value and the comment back to 60 minutes.

set lock_timeout = '900ms';
select queue.lock_tables('queue.settings');

alter table queue.settings alter column token_silence_limit set default interval '58 minutes';
update queue.settings set token_silence_limit = interval '58 minutes' where token_silence_limit = interval '60 minutes';
comment on column queue.settings.token_silence_limit is
  'The same for users'' own machines, which never beat. Default 58 minutes: with the job''s minute, and one run missed, an hour.';
