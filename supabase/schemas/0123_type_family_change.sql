-- By how much one statement changed how the children of an orchestrator stand.
create type queue.family_change as (
  orchestrator_id uuid,
  open integer,
  complete integer,
  failed integer,
  cancelled integer
);

comment on type queue.family_change is
  'By how much one statement changed the numbers of an orchestrator''s children that are open, Complete, Failed and Cancelled.';
