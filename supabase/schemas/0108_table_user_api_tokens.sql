-- Personal access tokens of users' own machines. Only a hash is stored: the table's contents let
-- nobody in.
create table public.user_api_tokens (
  id uuid not null default gen_random_uuid(),
  user_id uuid not null,
  label text not null default '',
  created_at timestamptz not null default now(),
  token_hash text not null,
  token_prefix text not null default '',
  expires_at timestamptz,
  revoked_at timestamptz,
  constraint user_api_tokens_pkey primary key (id),
  constraint user_api_tokens_hash_is_unique unique (token_hash),
  constraint user_api_tokens_hash_is_sha256_hex check (token_hash ~ '^[0-9a-f]{64}$'),
  constraint user_api_tokens_belong_to_a_user foreign key (user_id) references public.users (id) on delete cascade
);

create index user_api_tokens_by_user on public.user_api_tokens (user_id);

comment on table public.user_api_tokens is 'Personal access tokens, as SHA-256 hashes: 244 random bits need no slow hash.';
comment on column public.user_api_tokens.token_hash is 'SHA-256 of the token, hex.';
comment on column public.user_api_tokens.token_prefix is 'The first characters, so that the owner recognises it.';
comment on column public.user_api_tokens.expires_at is 'Not accepted from this time on; null = no end.';
comment on column public.user_api_tokens.revoked_at is 'Set when the owner takes it back; effective at the next call.';

alter table public.user_api_tokens enable row level security;

revoke all on table public.user_api_tokens from public, anon, authenticated, service_role;
grant select (id, user_id, label, created_at, token_prefix, expires_at, revoked_at)
  on table public.user_api_tokens to authenticated;
grant select, insert, update, delete on table public.user_api_tokens to service_role;

create policy owners_read_tokens on public.user_api_tokens
  for select to authenticated
  using (user_id = (select auth.uid()));
