-- The files that nobody can have any use for: of tasks that failed, were cancelled or are gone, a day after the upload,
-- unless something still names them. A page at a time, in the order of names. Only listed here: who deletes the row of an
-- object leaves its bytes, so that is done through Storage (the function sweep-files).
create function queue.files_to_sweep(p_caller jsonb, p_after text)
returns json
language plpgsql
stable
security definer -- reads the objects of Storage and everybody's tasks
set search_path = ''
set plan_cache_mode = force_custom_plan -- reads what every task names
set enable_seqscan = on
as $$
declare
  v_page_size constant integer := 1000;
  v_uuid constant text := '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  v_path constant text := v_uuid || '/tasks/' || v_uuid || '/[A-Za-z0-9._/-]+';
  v_before constant timestamptz := pg_catalog.now() - interval '1 day'; -- the clock of Storage
  v_names text[];
  v_last text;
  v_looked integer := 0;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  if to_regclass('storage.objects') is not null then
    with page as materialized (
      select o.name, o.created_at, o.updated_at
      from storage.objects as o
      where o.bucket_id = 'image_uploads'
        and o.name > coalesce(p_after, '')
      order by o.name
      limit v_page_size
    ),
    files as (
      select p.name, split_part(p.name, '/', 3)::uuid as task_id
      from page as p
      where p.name ~ ('^' || v_path || '$')
        and greatest(p.created_at, p.updated_at) < v_before
    )
    select
      array_agg(f.name order by f.name) filter (where t.id is null or t.status in ('Failed', 'Cancelled')),
      (select max(p.name) from page as p),
      (select count(*) from page as p)
    into v_names, v_last, v_looked
    from files as f
      left join public.tasks as t on t.id = f.task_id;
  end if;

  if v_names is not null then
    with texts (said) as (
      select s.said
      from public.tasks as t
        cross join lateral (
          values (t.output_location), (t.file_location), (t.thumbnail_url), (t.result_data::text),
            (case when t.standing is not null then t.params::text end)
        ) as s (said)
      union all
      select s.said
      from public.generations as g
        cross join lateral (values (g.location), (g.thumbnail_url), (g.params::text)) as s (said)
    ),
    named as (
      select m.found[1] as name
      from texts as x
        cross join lateral regexp_matches(x.said, '(' || v_path || ')', 'g') as m (found)
      where strpos(x.said, '/tasks/') > 0
    )
    select array_agg(f.name order by f.name)
    into v_names
    from unnest(v_names) as f (name)
    where f.name not in (select n.name from named as n);
  end if;

  return json_build_object(
    'files', to_json(coalesce(v_names, array[]::text[])),
    'next', case when v_looked = v_page_size then v_last end
  );
end;
$$;

comment on function queue.files_to_sweep(jsonb, text) is 'See public.files_to_sweep.';

revoke all on function queue.files_to_sweep(jsonb, text) from public, anon, authenticated, service_role;
grant execute on function queue.files_to_sweep(jsonb, text) to service_role;
