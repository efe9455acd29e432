import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import { ClaimedTask } from "../../shared/claim.ts";
import { CompleteReply } from "../../shared/complete.ts";
import { counterDrift } from "../support/drift.ts";
import {
  applyFirstMigration,
  applyMigrations,
  type OldContent,
  type UpgradedStack,
  upgradeOldDatabase,
} from "../support/old-database.ts";
import {
  fillOrphans,
  fillOwner,
  fillTheRest,
  OLD,
  ORPHANS,
  WITHOUT_PROJECT,
} from "../support/old-rows.ts";
import { callOn, claimOn, countOn } from "../support/other-stack.ts";
import { makeSchemaByHand } from "./by-hand.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { everything, readTasks, type Row } from "./rows.ts";

const VARIANTS: Record<string, OldContent> = {
  "status is an enum": (_sql, url) => applyFirstMigration(url),
  "status is text": makeSchemaByHand,
};

describe.each(Object.entries(VARIANTS))(
  "an August 2025 database whose %s, once upgraded",
  (name, makeSchema) => {
    let upgraded: UpgradedStack;
    let sql: postgres.Sql;
    let before: Row[];

    beforeAll(async () => {
      upgraded = await upgradeOldDatabase(
        name.replaceAll(" ", "-"),
        makeSchema,
        async (old) => {
          await fillOwner(old);
          await fillOrphans(old);
          await fillTheRest(old);
          before = await readTasks(old);
        },
      );
      sql = postgres(upgraded.dbUrl, { max: 1, onnotice: () => {} });
    });
    afterAll(async () => {
      await sql?.end();
      await upgraded?.discard();
    });

    it("has the schema of a fresh install", async () => {
      expect((await differencesFromFresh(upgraded.dbUrl)).join("\n")).toBe("");
    });

    it("keeps every row as it was", async () => {
      expect(await readTasks(sql)).toEqual(before);
      expect(before).toHaveLength(ORPHANS + WITHOUT_PROJECT + 6);
      const [kept] = await sql`
        select
          (select count(*)::integer from public.generations) as generations,
          (select metadata from public.workers where id = ${OLD.worker}) as metadata
      `;
      expect(kept).toEqual({ generations: 1, metadata: {} });
    });

    it("knows why old tasks failed, where that was stored at all", async () => {
      const rows = await sql`
        select error_message from public.tasks
        where id in (${OLD.failed}, ${OLD.failedWithReason}) order by id
      `;
      expect(rows.map((row) => row["error_message"]))
        .toEqual([null, "Failed to create guide video"]);
    });

    it("knows whose old results are and of which task", async () => {
      const rows = await sql`
        select task_id, user_id, location from public.generations
      `;
      expect([...rows]).toEqual([{
        task_id: OLD.finished,
        user_id: OLD.user,
        location: "https://files.test/old.mp4",
      }]);
    });

    it("lists what could not be found out, and what to do", async () => {
      const rows = await sql<Finding[]>`
        select problem, count(*)::integer, min(what_to_do) as "whatToDo",
          min(task_id::text) as first
        from fairlane_core.upgrade_report() group by problem order by problem
      `;
      expect(rows.map(({ problem, count }) => [problem, count])).toEqual([
        ["no_generation", 1],
        ["no_owner", WITHOUT_PROJECT],
        ["no_reason", 1],
        ["no_run_type", ORPHANS + 1],
      ]);
      expect(rows[0]).toMatchObject({
        first: OLD.withoutRecord,
        whatToDo: expect.stringContaining("repair_generations"),
      });
      expect(rows[2]?.first).toBe(OLD.failed);
      expect(rows[3]?.whatToDo).toContain("run_type");
    });

    it("knows owners by their projects and no run type", async () => {
      const rows = await sql`
        select user_id, run_type, project_id is null as "isLost", count(*)::integer
        from public.tasks
        group by 1, 2, 3
        order by 4
      `;
      expect([...rows]).toEqual([
        { user_id: null, run_type: null, isLost: true, count: WITHOUT_PROJECT },
        {
          user_id: OLD.user,
          run_type: null,
          isLost: false,
          count: ORPHANS + 6,
        },
      ]);
    });

    it("counts none of them and says why", async () => {
      const counts = await countOn(upgraded);
      expect(counts.totals).toMatchObject({
        queued_only: 0,
        eligible_queued: 0,
      });
      expect(counts.queued_plus_active).toBe(0);
      expect(counts.blocked).toEqual({
        no_run_type: ORPHANS + 1,
        no_owner: WITHOUT_PROJECT,
      });
      expect((await claimOn(upgraded)).status).toBe(204);
    });

    it("counts and hands out a normal task beside them", async () => {
      const [task] = await sql<{ id: string }[]>`
        insert into public.tasks (task_type, project_id)
        values ('travel_segment', ${OLD.project})
        returning id
      `;
      expect((await countOn(upgraded)).totals.queued_only).toBe(1);
      const reply = await claimOn(upgraded);
      expect(ClaimedTask.parse(await reply.json()).task_id).toBe(task?.id);
      expect((await claimOn(upgraded)).status).toBe(204);
    });

    it("takes the result of what ran through the upgrade, and what waited for it", async () => {
      await sql`
        update public.tasks set run_type = 'cloud' where id = ${OLD.waiting}
      `;
      expect((await countOn(upgraded)).blocked).toMatchObject({
        no_run_type: ORPHANS,
        dependency_pending: 1,
      });
      const output_location = "https://files.test/new.mp4";
      const body = { task_id: OLD.inFlight, output_location };
      const reply = await callOn(upgraded, "complete-task", body);
      expect(reply.status).toBe(200);
      expect(CompleteReply.parse(await reply.json())).toMatchObject({
        status: "Complete",
        generation_created: true,
      });
      const next = await claimOn(upgraded);
      expect(ClaimedTask.parse(await next.json()).task_id).toBe(OLD.waiting);
    });

    it("has counters that say what the rows say", async () => {
      expect(await counterDrift(sql)).toEqual([]);
    });

    it("leaves an old failure without a reason to a direct PATCH of many", async () => {
      const reply = await fetch(
        `${upgraded.apiUrl}/rest/v1/tasks?id=in.(${OLD.failed},${OLD.waiting})`,
        {
          method: "PATCH",
          headers: {
            apikey: upgraded.serviceRoleKey,
            authorization: `Bearer ${upgraded.serviceRoleKey}`,
            "content-type": "application/json",
            prefer: "return=representation",
          },
          body: JSON.stringify({ priority: 3 }),
        },
      );
      const text = await reply.text();
      expect(reply.status, text).toBe(200);
      expect(text).toContain(OLD.waiting);
    });

    it("accepts its old tokens and does not hold them any more", async () => {
      const reply = await callOn(upgraded, "task-counts", {}, OLD.token);
      expect(reply.status).toBe(200);
      const columns = await sql`
        select column_name
        from information_schema.columns
        where table_name = 'user_api_tokens' and column_name = 'token'
      `;
      expect(columns).toHaveLength(0);
      const [row] = await sql<{ text: string }[]>`
        select k::text as text from public.user_api_tokens as k
      `;
      expect(row?.text).not.toContain(OLD.token.slice(0, 20));
    });

    it("is not changed by the migrations a second time", async () => {
      const state = await everything(sql);
      expect(await applyMigrations(upgraded.dbUrl)).not.toMatch(/Applying/i);
      expect(await everything(sql)).toEqual(state);
    });
  },
);

/** One problem of fairlane_core.upgrade_report(), summed up. */
interface Finding {
  readonly problem: string;
  readonly count: number;
  readonly whatToDo: string;
  readonly first: string;
}
