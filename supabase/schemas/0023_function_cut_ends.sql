-- What a worker says has any length. The beginning says what it is about, the end what happened last.
create function queue.cut_ends(p_text text)
returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
declare
  v_head constant integer := 65536;
  v_tail constant integer := 16384;
begin
  -- Its bytes are counted at once, its characters one by one.
  if octet_length(p_text) <= v_head or length(p_text) <= v_head + v_tail + 100 then
    return p_text;
  end if;
  return left(p_text, v_head) || pg_catalog.format(' … [cut: %s characters in all] … ', length(p_text)) || right(p_text, v_tail);
end;
$$;

comment on function queue.cut_ends(text) is
  'The text; of one that is longer than 80 KiB the first 64 KiB, its length and the last 16 KiB. Null stays null.';

revoke all on function queue.cut_ends(text) from public, anon, authenticated, service_role;
