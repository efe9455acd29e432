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
  v_length integer := queue.written_length(p_value, v_most);
  v_text text;
begin
  -- Shorter text cannot hold any of the rest.
  if v_length <= 200 or p_value is null then
    return null;
  elsif v_length is null then
    return pg_catalog.format('written out, it has more than %s characters', v_most);
  elsif jsonb_path_exists(p_value, 'strict $.**{100} ? (@.type() == "object" || @.type() == "array")') then
    return 'it nests more than 100 levels deep';
  elsif v_length <= 400 then
    return null;
  end if;

  v_text := p_value::text;
  -- A look for so many digits, in a string or not; then at the numbers.
  if v_text ~ '[0-9.]{200}[0-9.]{200}' and exists (
    select
    from jsonb_array_elements(jsonb_path_query_array(p_value, 'strict $.** ? (@.type() == "number")')) as n (number)
    where length(n.number::text) > 400
  ) then
    return 'a number in it takes more than 400 characters, written out';
  elsif v_length - length(translate(v_text, ',{[', '')) > 200000 then
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
