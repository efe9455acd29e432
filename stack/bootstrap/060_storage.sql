-- The tables of Supabase Storage, for foreign keys, policies and bucket rows in
-- migrations. There is no storage server behind them.

set role supabase_storage_admin;

create table storage.buckets (
  id text primary key,
  name text not null unique,
  owner uuid,
  owner_id text,
  public boolean default false,
  avif_autodetection boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);

create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text references storage.buckets,
  name text,
  owner uuid,
  owner_id text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed_at timestamptz default now(),
  metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  version text,
  user_metadata jsonb
);
create unique index bucketid_objname on storage.objects (bucket_id, name);

alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects
  to postgres, service_role, dashboard_user with grant option;
grant select, insert, update, delete on storage.buckets, storage.objects
  to anon, authenticated;

create function storage.foldername(name text) returns text[]
language sql immutable
as $$
  select parts[1 : cardinality(parts) - 1]
  from string_to_array(name, '/') as parts
$$;

create function storage.filename(name text) returns text
language sql immutable
as $$
  select parts[cardinality(parts)]
  from string_to_array(name, '/') as parts
$$;

create function storage.extension(name text) returns text
language sql immutable
as $$
  select substring(storage.filename(name) from '[^.]*$')
$$;

reset role;
