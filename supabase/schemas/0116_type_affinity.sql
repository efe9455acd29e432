-- What a caller would rather run.
create type queue.affinity as (
  model text,
  is_required boolean,
  waited_since timestamptz
);

comment on type queue.affinity is
  'What a caller would rather run: tasks of the model it has loaded (null = no preference), only those if is_required, except tasks that were enqueued before waited_since.';
