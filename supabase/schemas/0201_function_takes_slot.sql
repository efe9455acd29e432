-- Whether a task of this type takes one of its owner's slots: orchestration does not. A type without a row (its category
-- is null here) is orchestration if its name ends in _orchestrator, which is how deployed workers tell.
create function queue.takes_slot(p_task_type text, p_category text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  if p_category is not null then
    return p_category <> 'orchestration';
  end if;
  return right(p_task_type, 13) is distinct from '_orchestrator';
end;
$$;

comment on function queue.takes_slot(text, text) is
  'Whether tasks of a type with this name and category (null = it has no row) take a slot; all but orchestration do.';

revoke all on function queue.takes_slot(text, text) from public, anon, authenticated, service_role;
