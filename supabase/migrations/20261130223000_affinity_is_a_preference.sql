-- What: the comment of the type that says what a worker would rather run.
-- Why: same_model_only keeps no worker idle any more: it says whose tasks come first, not which may not come at all.
-- Back out: nothing to do.

set lock_timeout = '900ms';

comment on type queue.affinity is
  'What a caller would rather run: tasks of the model it has loaded (null = no preference), if is_required also those of users whose turn comes later; tasks that were enqueued before waited_since come in their turn.';
