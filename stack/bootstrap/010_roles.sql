-- The roles of a Supabase database, with the attributes they have when hosted.
-- Runs as supabase_admin, the superuser that initdb made.

alter role supabase_admin password 'postgres';
alter role supabase_admin set search_path = "$user", public, auth, extensions;

-- What the Data API switches to, by the role claim of the caller's JWT.
create role anon nologin inherit;
create role authenticated nologin inherit;
create role service_role nologin inherit bypassrls;

-- What PostgREST logs in as: it may become any of the three and nothing else.
create role authenticator login noinherit password 'postgres';
grant anon, authenticated, service_role to authenticator;

-- What migrations run as. Not a superuser, exactly as when hosted: a migration
-- that needs more would fail there too.
create role postgres
  login createdb createrole replication bypassrls password 'postgres';
alter role postgres set search_path = "$user", public, extensions;
grant anon, authenticated, service_role to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

-- Owners of the platform's own schemas.
create role dashboard_user nologin createdb createrole replication;
create role supabase_auth_admin
  login noinherit createrole password 'postgres';
create role supabase_storage_admin
  login noinherit createrole password 'postgres';
create role supabase_realtime_admin nologin noinherit;
grant supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin
  to postgres;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_storage_admin set search_path = storage;

-- A request may not hold the database longer than this.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
