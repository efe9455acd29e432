import { z } from "zod";
import {
  canonicalUuid,
  isJsonObject,
  JsonObject,
  name,
  optional,
  Uuid,
} from "./fields.ts";

/** The most tasks one batch may hold, and dependencies one task may have. */
export const MAX_BATCH = 1000;
const MAX_DEPENDENCIES = 1000;
const MAX_PRIORITY = 1000;
const MAX_ATTEMPTS = 100;
const WEEK_IN_SECONDS = 604_800;

const DEPENDENCIES_RULE =
  `must be a UUID, a list of at most ${MAX_DEPENDENCIES} of them, or null`;
const TIME_RULE =
  "must be a time of the years 2000 to 2100 with its zone, such as 2026-01-31T12:00:00Z";

const UUID_TEXT = { type: "string", format: "uuid" };

/** One id or several, as the generations of clients send them; no repeats. */
const Dependencies = z.preprocess(
  (value) => typeof value === "string" ? [value] : value,
  optional(
    z.array(Uuid, { error: DEPENDENCIES_RULE })
      .max(MAX_DEPENDENCIES, { error: DEPENDENCIES_RULE }),
  ).transform((ids) => ids === undefined ? undefined : [...new Set(ids)]),
).meta({
  // For docs/openapi.json, which cannot see through a preprocessing.
  anyOf: [
    UUID_TEXT,
    { type: "array", items: UUID_TEXT, maxItems: MAX_DEPENDENCIES },
    { type: "null" },
  ],
});

/** A point in time that a task may have, read as its UTC form. */
const Time = z.iso.datetime({ offset: true, error: TIME_RULE })
  .transform((text, context) => {
    const time = new Date(text);
    const year = time.getUTCFullYear();
    if (year >= 2000 && year <= 2100) return time.toISOString();
    context.addIssue({ code: "custom", message: TIME_RULE });
    return z.NEVER;
  });

function integer(min: number, max: number) {
  const error = `must be an integer from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** Deployed orchestrators that know no project send a word instead. */
const ProjectName = name(200).transform((text) => canonicalUuid(text) ?? text);

const TaskFields = z.object({
  task_id: optional(Uuid).describe("Chosen by the client, else by the queue"),
  task_type: optional(name(200)).describe(
    "Required, here or as `family`; a type the queue does not know is stored too",
  ),
  params: optional(JsonObject).describe(
    "What the worker needs; kept in its own spelling, so 64-bit numbers survive. Bounded",
  ),
  family: optional(name(200)).describe(
    "`task_type` as clients since 30 March call it",
  ),
  input: optional(JsonObject).describe("`params` as those clients call it"),
  project_id: optional(ProjectName).describe(
    "The project's UUID; anything else, or nothing, means the parent's project",
  ),
  dependant_on: Dependencies.describe(
    "Tasks that must be Complete first; ids of the same batch count",
  ),
  run_type: optional(
    z.enum(["cloud", "local"], { error: "must be cloud or local" }),
  ).meta({
    description: "`local`: only the owner's own machines run it",
    default: "cloud",
  }),
  priority: optional(integer(-MAX_PRIORITY, MAX_PRIORITY)).meta({
    description: "Higher first, within the owner's queue",
    default: 0,
  }),
  available_at: optional(Time).describe(
    "Not before this time, of the years 2000 to 2100",
  ),
  idempotency_key: optional(name(255)).describe(
    "A repeat with the same key returns the same task",
  ),
  max_attempts: optional(integer(1, MAX_ATTEMPTS)).describe(
    "Default: the type's, else the setting's. From users and tokens at most what the type allows",
  ),
  timeout_seconds: optional(integer(1, WEEK_IN_SECONDS)).meta({
    description: "The most one attempt may run. Default and bound as above",
    "x-unit": "seconds",
  }),
  created_at: optional(Time).meta({
    description: "Default: now. Read from a service key only",
  }),
  user_id: z.unknown().transform((value) =>
    typeof value === "string" ? canonicalUuid(value) ?? undefined : undefined
  ).optional().meta({
    description:
      "The owner, where owners need no project; elsewhere it means nothing, whatever it is",
    type: "string",
    format: "uuid",
  }),
});

/**
 * What workers since March put into `input`, written last so that it wins over
 * params of the same name: their own id of the task, and what it waits for.
 */
const InInput = TaskFields.pick({ task_id: true, dependant_on: true });

/** All top-level fields of a body of `POST /create-task`. */
export const CREATE_FIELDS = [...Object.keys(TaskFields.shape), "tasks"];

/** One task to enqueue, in the field names of either generation of clients. */
export const NewTask = TaskFields.transform((fields, context) => {
  const { family, input, ...task } = fields;
  const lifted = InInput.safeParse(
    (task.params === undefined ? input : undefined) ?? {},
  );
  for (const { path, message } of lifted.error?.issues ?? []) {
    context.addIssue({ code: "custom", path: ["input", ...path], message });
  }
  const task_type = task.task_type ?? family;
  if (task_type !== undefined) {
    return {
      ...task,
      task_id: task.task_id ?? lifted.data?.task_id,
      dependant_on: task.dependant_on ?? lifted.data?.dependant_on,
      task_type,
      /** Such a word may stand for another type: fairlane_core.family_names. */
      family: task.task_type === undefined ? family : undefined,
      params: task.params ?? input,
    };
  }
  context.addIssue({
    code: "custom",
    path: ["task_type"],
    message: "must be a string of 1 to 200 characters",
  });
  return z.NEVER;
});
export type NewTask = z.infer<typeof NewTask>;

const BATCH_RULE = `must be a list of 1 to ${MAX_BATCH} tasks`;

/** Several tasks, enqueued all or none. */
export const CreateBatch = z.object({
  tasks: z.array(NewTask, { error: BATCH_RULE })
    .min(1, { error: BATCH_RULE }).max(MAX_BATCH, { error: BATCH_RULE })
    .refine(hasDistinctIds, { error: "must not name a task_id twice" })
    .describe("Bodies as above, with distinct ids; all of them or none"),
});

const Batch = CreateBatch.transform(({ tasks }) => ({ isBatch: true, tasks }));

const Single = NewTask.transform((task) => ({ isBatch: false, tasks: [task] }));

/** Body of `POST /create-task`: one task, or several under `tasks`. */
export const CreateRequest = z.unknown().transform((body, context) => {
  const isBatch = isJsonObject(body) && (body["tasks"] ?? null) !== null;
  const parsed = (isBatch ? Batch : Single).safeParse(body);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) {
    context.addIssue({ code: "custom", path, message });
  }
  return z.NEVER;
});
export type CreateRequest = z.infer<typeof CreateRequest>;

function hasDistinctIds(tasks: readonly { task_id?: string | undefined }[]) {
  const ids = tasks.flatMap(({ task_id }) => task_id ?? []);
  return new Set(ids).size === ids.length;
}

/**
 * Reply about one task as it is now; after a repeated request it may be in any
 * status.
 */
export const CreateReply = z.looseObject({
  task_id: z.guid(),
  status: z.string(),
  created: z.boolean().describe("False: the task was there before"),
  task_type: z.string(),
  project_id: z.guid().nullable(),
  dependant_on: z.guid().nullable(),
  run_type: z.string().nullable(),
  priority: z.int(),
  available_at: z.string().nullable(),
  idempotency_key: z.string().nullable(),
  output_location: z.string().nullable(),
  created_at: z.string(),
});
export type CreateReply = z.infer<typeof CreateReply>;

/** Reply to a batch: one entry per task, in the order sent. */
export const CreateBatchReply = z.looseObject({ tasks: z.array(CreateReply) });
export type CreateBatchReply = z.infer<typeof CreateBatchReply>;
