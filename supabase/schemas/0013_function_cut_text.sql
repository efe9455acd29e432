-- Error and progress texts may have any length; rows that are read all day should not.
create function queue.cut_text(p_text text)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max integer := (select s.max_text_length from queue.settings as s);
begin
  if pg_catalog.length(p_text) <= v_max then
    return p_text;
  end if;
  return pg_catalog.left(p_text, v_max)
    || pg_catalog.format(' … [cut: %s characters in all]', pg_catalog.length(p_text));
end;
$$;

comment on function queue.cut_text(text) is
  'The text, cut with a mark when it is longer than queue.settings.max_text_length characters; null stays null.';

revoke all on function queue.cut_text(text) from public, anon, authenticated, service_role;
