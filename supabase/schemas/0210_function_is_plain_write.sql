-- PostgREST has no status of its own for a lock that was not to be had: 55P03 is 500 to it. Where the triggers of a plain
-- write take locks, they can say 503 instead (queue.refuse_while_locked). Not inside functions, which do that themselves, nor for
-- sessions, which know what 55P03 is.
create function queue.is_plain_write()
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return coalesce(current_setting('queue.actor', true), '') = ''
    and coalesce(current_setting('request.method', true), '') in ('POST', 'PATCH', 'PUT', 'DELETE')
    and coalesce(current_setting('request.path', true), '') not like '/rpc/%';
end;
$$;

comment on function queue.is_plain_write() is
  'Whether the current statement is a write over the Data API that goes through no function.';

revoke all on function queue.is_plain_write() from public, anon, authenticated, service_role;
