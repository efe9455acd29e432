-- Whether a user has something for a worker that runs one model only.
create function queue.suits(p_user_id uuid, p_pool text, p_affinity queue.affinity)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select
    from queue.heads_of_line(p_user_id, p_pool, 'cloud', p_affinity) as h
    where h.model is null
      or h.model = p_affinity.model
      or h.created_at < p_affinity.waited_since
  );
end;
$$;

comment on function queue.suits(uuid, text, queue.affinity) is
  'Whether a user''s cloud line holds a task of the affinity''s model, of no model, or at its head one that has waited too long.';

revoke all on function queue.suits(uuid, text, queue.affinity) from public, anon, authenticated, service_role;
