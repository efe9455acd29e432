import type { Sql } from "postgres";

/**
 * The rows that every queue is filled from: the same ids, params and times for
 * all of them, and made once, because making random rows costs more than storing
 * them. `bench.users` gives user number n its id.
 */
export async function makeModel(
  admin: Sql,
  size: { tasks: number; users: number },
): Promise<void> {
  await admin.unsafe(`
    create schema bench;
    create unlogged table bench.users as
    select n, md5('user ' || n)::uuid as id
    from generate_series(1, ${size.users}) as n;
    alter table bench.users add primary key (n);

    create unlogged table bench.model as
    select
      i,
      gen_random_uuid() as id,
      now() - interval '12 hours' + i * interval '20 milliseconds' as created_at,
      jsonb_build_object(
        'model', 'model-a',
        'seed', 9007199254740993,
        'prompt', 'A quiet lake at dawn, take ' || i,
        'negative_prompt', 'blurry, low quality, watermark',
        'resolution', '896x496',
        'num_inference_steps', 6,
        'guidance_scale', 3,
        'input_image_paths_resolved', jsonb_build_array(
          'https://example.supabase.co/storage/v1/object/public/images/1.png',
          'https://example.supabase.co/storage/v1/object/public/images/2.png'
        )
      ) as params
    from generate_series(1, ${size.tasks}) as i;
    alter table bench.model add primary key (i);
    analyze bench.model, bench.users;
  `);
}
