-- What a client's create-task means by a family that is no type of its own. Looked up only where a body says family, once for
-- each such task; no row: the family is the type.
create table queue.family_names (
  family text not null,
  parent_type text not null default '',
  having_param text not null default '',
  task_type text not null,
  constraint family_names_pkey primary key (family, parent_type, having_param)
);

comment on table queue.family_names is
  'Families of create-task that stand for another type: the type that such a task is stored with.';
comment on column queue.family_names.parent_type is 'Only for parts of an orchestrator of this type; empty = whatever it is a part of.';
comment on column queue.family_names.having_param is 'Only where its params have this member; empty = whatever they have.';
comment on column queue.family_names.task_type is 'The type of the task.';

alter table queue.family_names enable row level security;

revoke all on table queue.family_names from public, anon, authenticated, service_role;
grant select on table queue.family_names to service_role;
