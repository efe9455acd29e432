-- Whether a user or project is so small that all of it may go in the transaction of its deletion.
create function queue.goes_at_once(p_user_id uuid, p_project_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_most_tasks constant integer := 100;
  v_most_others constant integer := 1000;
begin
  -- Two statements, each with an index of its own.
  if p_project_id is not null then
    return (select count(*) from (select from public.tasks as t where t.project_id = p_project_id limit v_most_tasks + 1) as n) <= v_most_tasks
      and (select count(*) from (select from public.generations as g where g.project_id = p_project_id limit v_most_others + 1) as n) <= v_most_others;
  end if;
  return (select count(*) from (select from public.tasks as t where t.user_id = p_user_id limit v_most_tasks + 1) as n) <= v_most_tasks
    and (select count(*) from (select from public.generations as g where g.user_id = p_user_id limit v_most_others + 1) as n) <= v_most_others
    and (select count(*) from (select from public.projects as p where p.user_id = p_user_id limit v_most_others + 1) as n) <= v_most_others;
end;
$$;

comment on function queue.goes_at_once(uuid, uuid) is
  'Whether this user (or else this project) has at most 100 tasks and 1,000 results (and projects).';

revoke all on function queue.goes_at_once(uuid, uuid) from public, anon, authenticated, service_role;
