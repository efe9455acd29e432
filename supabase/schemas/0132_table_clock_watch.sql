-- What the queue has seen of the clock under the database. Written by each rescue (queue.watch_clock).
create table queue.clock_watch (
  is_only_row boolean not null default true,
  looked_at timestamptz,
  is_steady boolean not null default false,
  trusted_since timestamptz not null default '-infinity',
  set_back_at timestamptz,
  set_back_until timestamptz,
  away_after interval not null default interval '1 hour',
  away_until timestamptz,
  away_for interval not null default interval '0',
  timeline text,
  constraint clock_watch_pkey primary key (is_only_row),
  constraint clock_watch_has_one_row check (is_only_row)
);

comment on table queue.clock_watch is 'Since when the clock can be trusted to have measured every silence; exactly one row.';
comment on column queue.clock_watch.is_only_row is 'Always true: the key that keeps this table at one row.';
comment on column queue.clock_watch.looked_at is 'The machine''s own time at the last look, without queue.settings.clock_offset.';
comment on column queue.clock_watch.is_steady is 'Whether the last look came in time, and a full gpu_silence_limit has been judged since the last gap.';
comment on column queue.clock_watch.trusted_since is
  'The first look after a gap: no silence and no run is taken to be longer than since then. -infinity = there was no gap.';
comment on column queue.clock_watch.set_back_at is 'The first look after the clock had last gone back; null = it never has.';
comment on column queue.clock_watch.set_back_until is 'What the clock had shown before that: until it shows this again, rows carry times yet to come.';
comment on column queue.clock_watch.away_after is 'A gap between two looks that is longer than this counts as an outage.';
comment on column queue.clock_watch.away_until is 'The end of the last outage; null = there was none. Work grows no older in one (queue.stale_before).';
comment on column queue.clock_watch.away_for is 'How long that outage was, with those before it whose end is not yet stale_after ago.';
comment on column queue.clock_watch.timeline is 'The timeline of the server at the last look. Another one: a standby was promoted, which counts as a start.';

alter table queue.clock_watch enable row level security;

revoke all on table queue.clock_watch from public, anon, authenticated, service_role;
grant select on table queue.clock_watch to service_role;

insert into queue.clock_watch (is_only_row) values (true);
