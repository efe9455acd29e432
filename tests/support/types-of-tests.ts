import postgres from "postgres";

/** Types of task that tests name where it does not matter which. */
const TYPES = [
  { name: "clip", pool: "gpu", category: "generation", makes: "video" },
  { name: "film", pool: "gpu", category: "generation", makes: "video" },
  { name: "montage", pool: "gpu", category: "generation", makes: "video" },
  { name: "film_orchestrator", pool: "gpu", category: "orchestration" },
  { name: "montage_orchestrator", pool: "gpu", category: "orchestration" },
  { name: "animate", pool: "api", category: "generation", makes: "video" },
  { name: "draw_image", pool: "api", category: "generation", makes: "image" },
  { name: "edit_image", pool: "api", category: "generation", makes: "image" },
];

/** Adds them to a test stack; they stay, nothing that ships has these names. */
export async function addTypes(adminDbUrl: string): Promise<void> {
  const sql = postgres(adminDbUrl, { max: 1, onnotice: () => {} });
  try {
    for (const { name, pool, category, makes = null } of TYPES) {
      await sql`
        insert into public.task_types (
          name, run_type, category, content_type, creates_generation,
          runs_on_own_gpu
        )
        values (
          ${name}, ${pool}, ${category}, ${makes}, ${makes !== null},
          ${pool === "api" && makes === "image"}
        )
        on conflict (name) do nothing
      `;
    }
  } finally {
    await sql.end();
  }
}
