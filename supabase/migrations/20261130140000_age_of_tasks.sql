-- What: when a task was released by what it waited for, and what the queue has seen of outages and promotions.
-- Why: age counts from when a task could first run, and not while the queue stands still; a promoted standby is a start.
-- Back out: alter table public.tasks drop column released_at;
--   alter table queue.clock_watch drop column away_after, drop column away_until, drop column away_for, drop column timeline;

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'queue.clock_watch');

alter table public.tasks add column released_at timestamptz;

comment on column public.tasks.released_at is
  'When the last completed one of those that it waits for was completed, or an operator put it back; null = neither. Its age counts from the latest of this, created_at and available_at.';

alter table queue.clock_watch
  add column away_after interval not null default interval '1 hour',
  add column away_until timestamptz,
  add column away_for interval not null default interval '0',
  add column timeline text;

comment on column queue.clock_watch.away_after is 'A gap between two looks that is longer than this counts as an outage.';
comment on column queue.clock_watch.away_until is 'The end of the last outage; null = there was none. Work grows no older in one (queue.stale_before).';
comment on column queue.clock_watch.away_for is 'How long that outage was, with those before it whose end is not yet stale_after ago.';
comment on column queue.clock_watch.timeline is 'The timeline of the server at the last look. Another one: a standby was promoted, which counts as a start.';

comment on column queue.settings.stale_after is
  'A task that could have run for this long, was never started and has no live parent is no longer handed out. Time in which the queue stood still does not count. Default 7 days.';
