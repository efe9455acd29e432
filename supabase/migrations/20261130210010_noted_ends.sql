-- What: a beat that could not be written into the row of its worker is noted with the end that it told of.
-- Why: a goodbye while that row was held was answered with success and forgotten; its work came back minutes later.
-- Back out: alter table queue.noted_beats drop column status;

set lock_timeout = '900ms';

alter table queue.noted_beats add column status text;

comment on column queue.noted_beats.status is
  'The end that the beat told of (terminated, crashed), until the rescue could write it into the worker''s row.';
