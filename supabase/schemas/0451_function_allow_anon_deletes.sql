-- The second step of the switch of ADR 0013: whether the anon key, which then reads tasks too, deletes duplicate children.
-- Only such as were never started, and in whose place another one counts again: whoever misuses it loses nobody's work.
-- Clients want the deleted row back, whole: so every column of the rows that are open can be read.
create function queue.allow_anon_deletes(p_is_allowed boolean)
returns void
language plpgsql
volatile
security invoker -- whoever may change the table may turn the switch
set search_path = ''
set lock_timeout = '5s' -- a policy needs the table for itself, for a moment; claims must not queue up behind that
as $$
begin
  -- The reads are left as they are; this way nothing of an earlier step stays behind.
  perform queue.allow_anon_reads(
    p_is_allowed or exists (
      select
      from pg_catalog.pg_policy as p
      where p.polrelid = 'public.tasks'::regclass and p.polname = 'anyone_reads_fresh_tasks'
    )
  );

  if p_is_allowed then
    grant select, delete on table public.tasks to anon;
    grant execute on function queue.is_spare_part(uuid) to anon;
    create policy anyone_deletes_spare_parts on public.tasks
      for delete to anon
      using (status = 'Queued' and attempts = 0 and queue.is_spare_part(id));
  end if;
end;
$$;

comment on function queue.allow_anon_deletes(boolean) is
  'Opens or closes the deletion of duplicate children with the anon key; opening it opens the reads too. See docs/adr/0013. For operators: no API role may execute it.';

revoke all on function queue.allow_anon_deletes(boolean) from public, anon, authenticated, service_role;
