-- What is wrong with the size of a JSON value that somebody wants to store, whatever the way in. One place for all: a
-- value that one way takes and the next cannot read stops everybody who reads it.
create function queue.json_fault(p_value jsonb)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1048576;
  v_length integer;
  v_text text;
begin
  -- From the cheapest look to the dearest: one at 100 levels goes no deeper, one at numbers writes none of them, and
  -- what is written after them is no longer than what was sent would let one think.
  if jsonb_path_exists(p_value, 'strict $.**{100} ? (@.type() == "object" || @.type() == "array")') then
    return 'it nests more than 100 levels deep';
  elsif exists (
    select
    from jsonb_array_elements(jsonb_path_query_array(p_value, 'strict $.** ? (@.type() == "number")')) as n (number)
    where (abs(n.number::numeric) >= 1e199 or scale(n.number::numeric) > 198)
      and queue.number_length(n.number::numeric) > 400
  ) then
    return 'a number in it takes more than 400 characters, written out';
  elsif pg_column_size(p_value || jsonb_build_object()) <= 2048 then
    return null; -- with numbers of 400 characters at most, that cannot be long
  end if;

  v_length := queue.written_length(p_value, v_most);
  if v_length is null and p_value is not null then
    return pg_catalog.format('written out, it has more than %s characters', v_most);
  elsif v_length <= 200000 then
    return null; -- shorter text cannot hold so many values
  end if;

  v_text := p_value::text;
  if v_length - length(translate(v_text, ',{[', '')) > 200000 then
    -- Those outside of strings are the values.
    v_text := regexp_replace(v_text, '"(?:[^"\\]|\\.)*"', '', 'g');
    if length(v_text) - length(translate(v_text, ',{[', '')) > 200000 then
      return 'it holds more than 200000 values';
    end if;
  end if;
  return null;
end;
$$;

comment on function queue.json_fault(jsonb) is
  'Why the value is too large to be stored, as the end of a sentence: more than 1 MiB written out, 100 levels, 200,000 values, or a number of more than 400 characters; null when it is not.';

revoke all on function queue.json_fault(jsonb) from public, anon, authenticated, service_role;
