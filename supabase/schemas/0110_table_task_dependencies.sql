-- Which task waits for which. No foreign key on depends_on: a dependency may be missing, and the
-- waiting task then says so (dependency_lost) instead of being refused.
create table queue.task_dependencies (
  task_id uuid not null,
  depends_on uuid not null,
  constraint task_dependencies_pkey primary key (task_id, depends_on),
  constraint task_dependencies_belong_to_a_task foreign key (task_id) references public.tasks (id) on delete cascade,
  constraint task_dependencies_are_on_another_task check (task_id <> depends_on)
);

create index task_dependencies_by_dependency on queue.task_dependencies (depends_on, task_id);

comment on table queue.task_dependencies is 'task_id may run once depends_on is Complete.';

alter table queue.task_dependencies enable row level security;

revoke all on table queue.task_dependencies from public, anon, authenticated, service_role;
grant select on table queue.task_dependencies to service_role;
