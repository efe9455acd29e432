-- One thing at a time under one name: the same request sent twice, two claims of one worker. The second waits for the
-- first, which is over at once unless its transaction is left open; then nothing is known, and the caller repeats.
create function queue.wait_for_name(p_name text, p_what text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '240ms' -- taken back when the function ends; what counts is the setting below
as $$
begin
  perform set_config('lock_timeout', ceil(1000 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  perform pg_advisory_xact_lock(hashtextextended(p_name, 0));
exception when lock_not_available then
  perform queue.refuse(
    503, 'UNAVAILABLE', pg_catalog.format('%s is being answered, and its transaction does not end', p_what),
    'Repeat the same request'
  );
end;
$$;

comment on function queue.wait_for_name(text, text) is
  'Takes the advisory lock of this name for the transaction; 503 UNAVAILABLE when another transaction holds it for longer than queue.settings.max_lock_wait. p_what says who is being answered there.';

revoke all on function queue.wait_for_name(text, text) from public, anon, authenticated, service_role;
