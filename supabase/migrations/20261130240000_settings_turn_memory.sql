-- What: the setting turn_memory; what the causes of a loss and family_quiet_after are about.
-- Why: one cancelled task cost its owner the turn for ten minutes; a memory of a minute stops those who cancel all the time.
-- Back out: alter table queue.settings drop column turn_memory;

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

alter table queue.settings
  add column turn_memory interval not null default interval '1 minute',
  add constraint settings_turn_memory_is_sane check (turn_memory between interval '0' and interval '1 day');

comment on column queue.settings.turn_memory is
  'How long a start that another than its holder ended still counts for its owner''s turn once the holder has let go. Default 1 minute.';
comment on column queue.settings.held_slot_limit is
  'How long at most a start that another than its holder ended keeps its slot. Default 10 minutes.';
comment on column queue.user_slots.remembered is
  'Starts that others than their holders ended, whose holders have let go since: they count for the turn for turn_memory.';
comment on column queue.settings.family_quiet_after is
  'An orchestrator whose announced parts are all there, but which never reported that it is done with enqueuing, is judged once its family has been quiet for this long; one without children that nobody speaks of for as long ends. Default 10 minutes.';
comment on type queue.lost_task is
  'A running task to be put back: its present start (lease_token, reported_at), who held it, the cause (worker_ended, worker_silent, caller_silent, unassigned, timed_out, never_delivered, token_ended, enqueued_nothing, left_behind) and the same in words.';
