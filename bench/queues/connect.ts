import postgres, { type Sql } from "postgres";

/** One connection, as the role if one is given; statements are prepared. */
export function connectOnce(url: string, role?: string): Sql {
  return postgres(url, {
    max: 1,
    // The bench reports what a call costs, not what a notice says.
    onnotice: () => {},
    connection: { application_name: "bench", ...(role ? { role } : {}) },
  });
}
