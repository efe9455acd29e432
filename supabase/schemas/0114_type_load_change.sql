-- By how much a statement changed one counter of the derived state.
create type queue.load_change as (
  user_id uuid,
  pool text,
  is_cloud boolean,
  takes_slot boolean,
  standing text,
  delta integer
);

comment on type queue.load_change is
  'By how much one statement changed the number of tasks of an owner with the same pool, kind and standing.';
