-- Owners with something for this claim whom it could not look at, because another transaction holds them: lines that are
-- open, and work that has become due.
create function queue.owners_held(p_pool text, p_passed_over uuid[])
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select count(*)
    from (
      select l.user_id
      from queue.user_lines as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      union
      select t.user_id
      from public.tasks as t
        join queue.user_slots as s on s.user_id = t.user_id
      where t.standing = 'not_yet'
        and t.available_at <= queue.now()
        and t.pool = p_pool
        and t.run_type = 'cloud'
        and s.cloud_reason is null
    ) as o
  );
end;
$$;

comment on function queue.owners_held(text, uuid[]) is
  'How many owners a claim without result has passed over because of somebody else''s locks; p_passed_over: those in whose lines it found nothing.';

revoke all on function queue.owners_held(text, uuid[]) from public, anon, authenticated, service_role;
