import { describe, expect, it } from "vitest";
import { withoutColumnOrder } from "./column-order.ts";
import { differences } from "./differences.ts";
import { dumpEntries } from "./dump-entries.ts";

const DUMP = `--
-- PostgreSQL database dump
--

SET statement_timeout = 0;

--
-- Name: now(); Type: FUNCTION; Schema: queue; Owner: postgres
--

CREATE FUNCTION queue.now() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select 1; -- a body; with semicolons
$$;


ALTER FUNCTION queue.now() OWNER TO postgres;

--
-- Name: FUNCTION now(); Type: COMMENT; Schema: queue; Owner: postgres
--

COMMENT ON FUNCTION queue.now() IS 'The only clock.';


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: tasks; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.tasks (
    id uuid NOT NULL,
    priority integer
)
WITH (fillfactor='85', autovacuum_vacuum_cost_delay='0');


--
-- Name: tasks_by_priority; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX tasks_by_priority ON public.tasks USING btree (priority);


--
-- Name: TABLE tasks; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.tasks TO authenticated;
GRANT SELECT,DELETE ON TABLE public.tasks TO service_role;


--
-- PostgreSQL database dump complete
--

`;

function compare(changed: string): string[] {
  return differences(dumpEntries(DUMP), dumpEntries(changed), {
    left: "migrations",
    right: "schemas",
  });
}

describe("differences()", () => {
  it("finds none between a dump and itself", () => {
    expect(compare(DUMP)).toEqual([]);
  });

  it.each([
    ["a function's body", "select 1;", "select 2;"],
    ["a comment", "The only clock.", "A clock."],
    ["a column's type", "priority integer", "priority bigint"],
    ["an index", "btree (priority)", "btree (priority DESC)"],
    ["a grant", "SELECT,DELETE ON", "SELECT ON"],
    ["a storage parameter", "fillfactor='85'", "fillfactor='84'"],
    ["an owner", "OWNER TO postgres", "OWNER TO supabase_admin"],
  ])("finds a change of %s", (_, before, after) => {
    const found = compare(DUMP.replace(before, after));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^Different: /);
  });

  it("finds the order of columns", () => {
    const columns = "    id uuid NOT NULL,\n    priority integer\n";
    const turned = "    priority integer,\n    id uuid NOT NULL\n";
    const changed = DUMP.replace(columns, turned);
    expect(compare(changed)).toHaveLength(1);
    const [a, b] = [DUMP, changed].map((dump) =>
      withoutColumnOrder(dumpEntries(dump))
    );
    const sides = { left: "old", right: "fresh" };
    expect(differences(a ?? [], b ?? [], sides)).toEqual([]);
  });

  it("finds a column's type also where the order does not count", () => {
    const changed = DUMP.replace("priority integer", "priority bigint");
    const [a, b] = [DUMP, changed].map((dump) =>
      withoutColumnOrder(dumpEntries(dump))
    );
    const sides = { left: "old", right: "fresh" };
    expect(differences(a ?? [], b ?? [], sides)).toHaveLength(1);
  });

  it("finds what only one side has", () => {
    const [before] = DUMP.split("--\n-- Name: tasks_by_priority");
    const [found] = compare(before ?? "");
    expect(found).toBe(
      "Only in migrations: " +
        "Name: TABLE tasks; Type: ACL; Schema: public; Owner: postgres",
    );
  });

  it("does not mind the order in which things were made or set", () => {
    const entries = dumpEntries(DUMP);
    const changed = DUMP
      .replace(
        "fillfactor='85', autovacuum_vacuum_cost_delay='0'",
        "autovacuum_vacuum_cost_delay='0', fillfactor='85'",
      )
      .replace(/(GRANT SELECT ON.*\n)(GRANT.*\n)/, "$2$1");
    const turned = dumpEntries(changed).reverse();
    const sides = { left: "migrations", right: "schemas" };
    expect(differences(entries, turned, sides)).toEqual([]);
  });
});

describe("dumpEntries()", () => {
  it("keeps a function with its semicolons in one entry", () => {
    const titles = dumpEntries(DUMP).map(({ title }) => title.split(";")[0]);
    expect(titles).toEqual([
      "Name: now()",
      "Name: FUNCTION now()",
      "Name: tasks",
      "Name: tasks_by_priority",
      "Name: TABLE tasks",
    ]);
  });
});
