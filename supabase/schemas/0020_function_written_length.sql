-- How long a JSON value is once it is written out. jsonb keeps 1e131071 in a dozen bytes, and a row compresses what
-- repeats: what is small on disk may take gigabytes to write. So numbers that are written longer than they are kept are
-- measured one by one first, and the whole is written only when it is known to be harmless.
create function queue.written_length(p_value jsonb, p_most integer)
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  -- Adds nothing, and takes it out of its compressed form.
  v_value jsonb := p_value || '{}'::jsonb;
  v_size integer := pg_column_size(v_value);
  v_length integer;
begin
  if v_size <= 2048 then
    v_length := length(p_value::text); -- some 20 MB at the very worst
  elsif v_size <= 6 * p_most then -- nothing is kept in more than six times its text
    if (
      select coalesce(sum(length(n.number::text)), 0)
      -- As one array: jsonb_path_query takes the square of the time for rows.
      from jsonb_array_elements(jsonb_path_query_array(
        v_value, 'strict $.** ? (@ > 1e390 || @ < -1e390 || (@ < 1e-390 && @ > -1e-390))'
      )) as n (number)
    ) <= p_most then
      v_length := length(p_value::text);
    end if;
  end if;
  return case when v_length <= p_most then v_length end;
exception
  when statement_too_complex then
    return null; -- nested so deep that nobody could look into it
end;
$$;

comment on function queue.written_length(jsonb, integer) is
  'The length of the value as text, or null when it is longer than p_most, which is found out without writing it.';

revoke all on function queue.written_length(jsonb, integer) from public, anon, authenticated, service_role;
