-- The lines of a request, as many as one request may bring.
create function queue.bounded_logs(p_logs json, out logs json[], out surplus integer)
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_logs_per_call from queue.settings as s);
begin
  logs := array[]::json[];
  surplus := 0;
  if json_typeof(p_logs) = 'array' then
    surplus := greatest(json_array_length(p_logs) - v_max, 0);
    logs := array(
      select l.entry
      from json_array_elements(p_logs) with ordinality as l (entry, place)
      where l.place <= v_max
      order by l.place
    );
  elsif json_typeof(p_logs) <> 'null' then
    surplus := 1;
  end if;
end;
$$;

comment on function queue.bounded_logs(json) is
  'The first queue.settings.max_logs_per_call elements of an array, and how many there are beyond; what is no array counts as one beyond.';

revoke all on function queue.bounded_logs(json) from public, anon, authenticated, service_role;
