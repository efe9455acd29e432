-- Writes down what an instance of an endpoint has counted. The names come from clients, so there is a bound on how many
-- are kept; a name that is old makes room after thirty days.
create function queue.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void
language plpgsql
volatile
security definer -- the table is read by others, never written
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
  v_kept_for constant interval := interval '30 days';
  v_most constant integer := 500;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  delete from queue.unused_fields as u
  where u.last_at < v_now - v_kept_for;

  insert into queue.unused_fields as u (endpoint, field, calls, first_at, last_at)
  select p_endpoint, c.key, c.value::bigint, v_now, v_now
  from jsonb_each_text(p_counts) as c
  where length(c.key) <= 63
    and c.value ~ '^[0-9]{1,9}$'
    and (
      exists (select from queue.unused_fields as k where k.endpoint = p_endpoint and k.field = c.key)
      or (select count(*) from queue.unused_fields) < v_most
    )
  order by c.key -- two instances lock in one order
  limit 50
  on conflict (endpoint, field) do update
    set calls = u.calls + excluded.calls, last_at = greatest(u.last_at, excluded.last_at);
end;
$$;

comment on function queue.note_unused_fields(jsonb, text, jsonb) is 'See public.note_unused_fields.';

revoke all on function queue.note_unused_fields(jsonb, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.note_unused_fields(jsonb, text, jsonb) to service_role;
