-- What: what the column says of results that the app has moved.
-- Why: a repair leaves them where they are.
-- Back out: nothing to do; it is a comment.

set lock_timeout = '900ms';

comment on column public.generations.location is 'Where the result is; null when the worker reported none. The task''s output_location, unless the app has moved it.';
