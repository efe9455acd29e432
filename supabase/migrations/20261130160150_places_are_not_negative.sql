-- What: validates users_max_orchestrating_is_not_negative.
-- Why: it was added without a look at the rows, so that nobody waited.
-- Back out: nothing to do.

set lock_timeout = '900ms';

alter table public.users validate constraint users_max_orchestrating_is_not_negative;
