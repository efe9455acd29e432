-- The platform's schemas and who may look into them.

alter database postgres owner to postgres;
grant all on database postgres to postgres, dashboard_user;

create schema extensions authorization postgres;
create schema auth authorization supabase_admin;
create schema storage authorization supabase_admin;
create schema realtime authorization supabase_admin;
-- Empty here, but config.toml exposes it, so PostgREST must find it.
create schema graphql_public authorization supabase_admin;

grant usage on schema public, extensions, auth, storage, realtime, graphql_public
  to postgres, anon, authenticated, service_role;
grant all on schema extensions to dashboard_user;
grant all on schema auth to supabase_auth_admin, dashboard_user;
grant all on schema storage
  to postgres, supabase_storage_admin, dashboard_user;
grant all on schema realtime to supabase_realtime_admin;
