-- What a caller would rather run.
create type queue.affinity as (
  model text,
  is_required boolean,
  waited_since timestamptz
);

comment on type queue.affinity is
  'What a caller would rather run: tasks of the model it has loaded (null = no preference), if is_required also those of users whose turn comes later; tasks that were enqueued before waited_since come in their turn.';
