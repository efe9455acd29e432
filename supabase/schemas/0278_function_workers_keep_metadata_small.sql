-- What orchestrators keep beside their workers is read with each of them, so it has the bounds of params.
create function queue.workers_keep_metadata_small()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' or new.metadata is distinct from old.metadata then
    perform queue.refuse_large_json(new.metadata, 'metadata');
  end if;
  return new;
end;
$$;

comment on function queue.workers_keep_metadata_small() is
  'Trigger: refuses metadata of workers that are out of the bounds of queue.json_fault with 413 PARAMS_TOO_LARGE.';

revoke all on function queue.workers_keep_metadata_small() from public, anon, authenticated, service_role;

create trigger workers_keep_metadata_small
  before insert or update of metadata on public.workers
  for each row
  when (pg_column_size(new.metadata) > 100)
  execute function queue.workers_keep_metadata_small();
