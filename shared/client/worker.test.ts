import { expect, test, vi } from "vitest";
import {
  ID,
  LEASE_LOST,
  NO_ANSWER,
  TASK,
  untilCut,
  work,
} from "./_test/work.ts";
import { LeaseLostError, NonRetryableError, QueueError } from "./errors.ts";

test("runWorker() completes what the handler returns", async () => {
  const output = { output_location: "https://x.test/out.mp4" };
  const { calls, events } = await work(() => Promise.resolve(output));
  expect(calls).toEqual([["complete", TASK, output]]);
  expect(events).toEqual(["claimed", "completed"]);
});

test("runWorker() reports that an orchestrator has enqueued", async () => {
  const { calls } = await work(() =>
    Promise.resolve({ enqueued: "Enqueued 3" })
  );
  expect(calls).toEqual([["report", TASK, "Enqueued 3"]]);
});

test("runWorker() reports what the handler throws, for another try", async () => {
  const { calls } = await work(() =>
    Promise.reject(new Error("Out of memory"))
  );
  expect(calls).toEqual([["fail", TASK, {
    error_message: "Out of memory",
    retryable: true,
  }]]);
});

test("runWorker() reports a handler that gives up for good", async () => {
  const { calls } = await work(() => {
    throw new NonRetryableError("No such model");
  });
  expect(calls).toEqual([["fail", TASK, {
    error_message: "No such model",
    retryable: false,
  }]]);
});

test("runWorker() stops a task that a beat's reply lists, and says nothing", async () => {
  const reasons: unknown[] = [];
  const { calls, events } = await work((task, context) => {
    context.signal.addEventListener(
      "abort",
      () => reasons.push(context.signal.reason),
    );
    return untilCut(task, context);
  }, {
    client: {
      beat: () => ({
        success: true,
        stop: [{ task_id: ID, reason: "cancelled" }],
      }),
    },
  });
  expect(reasons).toEqual([new LeaseLostError("cancelled")]);
  expect(events).toEqual(["claimed", "dropped"]);
  expect(calls).toEqual([]);
});

test("runWorker() stops a task whose progress is refused", async () => {
  const { calls, events } = await work(async (_, { progress }) => {
    await progress("Half done");
    return {};
  }, { client: { report: () => Promise.reject(LEASE_LOST) } });
  expect(events).toEqual(["claimed", "dropped"]);
  expect(calls).toEqual([["report", TASK, "Half done"]]);
});

test("runWorker() goes on with a task whose progress is not heard", async () => {
  const { events } = await work(async (_, { progress }) => {
    await progress("Half done");
    return {};
  }, { client: { report: () => Promise.reject(NO_ANSWER) } });
  expect(events).toEqual(["claimed", "unheard", "completed"]);
});

test("runWorker() with a token learns the same from its reports", async () => {
  const { calls, events } = await work(untilCut, {
    signsOfLife: "reports",
    client: { report: () => Promise.reject(LEASE_LOST) },
  });
  expect(events).toEqual(["claimed", "dropped"]);
  expect(calls).toEqual([["report", TASK]]);
});

test("runWorker() names its tasks in beats, and sends their log lines once", async () => {
  const beats: unknown[] = [];
  await work(async (_, { log }) => {
    log("Step 1");
    await vi.waitFor(() => expect(beats.length).toBeGreaterThan(3), 60_000);
    return {};
  }, {
    client: {
      beat: (beat: never) => {
        beats.push(beat);
        return { success: true, stop: [] };
      },
    },
  });
  expect(beats).toContainEqual(expect.objectContaining({ task_id: ID }));
  const lines = (beats as { logs: unknown[] }[]).flatMap(({ logs }) => logs);
  expect(lines).toEqual([
    expect.objectContaining({ message: "Step 1", task_id: ID }),
  ]);
});

test("runWorker() keeps the lines of a beat that was not heard", async () => {
  const beats: { logs: unknown[] }[] = [];
  await work(async (_, { log }) => {
    log("Step 1");
    await vi.waitFor(() => expect(beats.length).toBeGreaterThan(3), 60_000);
    return {};
  }, {
    client: {
      beat: (beat: never) => {
        beats.push(beat);
        return beats.length < 3
          ? Promise.reject(NO_ANSWER)
          : { success: true, stop: [] };
      },
    },
  });
  const heard = beats.slice(2).flatMap(({ logs }) => logs);
  expect(heard).toEqual([expect.objectContaining({ message: "Step 1" })]);
});

test("runWorker() hands back what runs when it is told to stop", async () => {
  const stop = new AbortController();
  const { calls, events, error } = await work((task, context) => {
    const cut = untilCut(task, context);
    stop.abort();
    return cut;
  }, { stop: stop.signal });
  expect(calls).toEqual([["handBack", TASK]]);
  expect(events).toEqual(["claimed", "handed back"]);
  expect(error).toBeUndefined();
});

test("runWorker() says goodbye once all is said", async () => {
  const said: string[] = [];
  await work(() => Promise.resolve({}), {
    client: {
      complete: () => said.push("complete"),
      beat: ({ isLast }: { isLast?: boolean }) => {
        said.push(isLast === true ? "goodbye" : "beat");
        return { success: true, stop: [] };
      },
    } as never,
  });
  expect(said.filter((word) => word !== "beat")).toEqual([
    "complete",
    "goodbye",
  ]);
  expect(said.at(-1)).toBe("goodbye");
});

test("runWorker() hands in what is finished within the grace", async () => {
  const stop = new AbortController();
  const { calls } = await work(() => {
    stop.abort();
    return Promise.resolve({});
  }, { stop: stop.signal });
  expect(calls).toEqual([["complete", TASK, {}]]);
});

test("runWorker() hands back what does not hear its signal", async () => {
  const stop = new AbortController();
  const { calls } = await work(() => {
    stop.abort();
    return new Promise(() => {});
  }, { stop: stop.signal });
  expect(calls).toEqual([["handBack", TASK]]);
});

test("runWorker() hands back a task that came while it was told to stop", async () => {
  const stop = new AbortController();
  const { calls } = await work(untilCut, {
    stop: stop.signal,
    client: {
      claim: () => {
        stop.abort();
        return TASK;
      },
    },
  });
  expect(calls).toEqual([["handBack", TASK]]);
});

test("runWorker() claims on after a claim without an answer", async () => {
  const claims: { claim_id: string }[] = [];
  const { calls } = await work(() => Promise.resolve({}), {
    client: {
      claim: (ask: never) => {
        claims.push(ask);
        return claims.length === 1 ? Promise.reject(NO_ANSWER) : TASK;
      },
    },
  });
  expect(calls[0]?.[0]).toBe("complete");
  expect(claims[1]?.claim_id).toBe(claims[0]?.claim_id);
});

test("runWorker() says once that it waits, each time that it has to", async () => {
  const stop = new AbortController();
  const answers = [null, null, NO_ANSWER, null, TASK, null, null];
  const { events } = await work(() => Promise.resolve({}), {
    stop: stop.signal,
    client: {
      claim: () => {
        const answer = answers.shift();
        if (answers.length === 0) stop.abort();
        return answer instanceof Error ? Promise.reject(answer) : answer;
      },
    },
  });
  expect(events).toEqual([
    ...["waiting", "unheard", "claimed", "completed", "waiting"],
  ]);
});

test("runWorker() ends when the queue refuses the worker", async () => {
  const refused = new QueueError(409, "WORKER_NOT_ELIGIBLE", "Terminating");
  const { error, calls } = await work(untilCut, {
    client: { claim: () => Promise.reject(refused) },
  });
  expect(error).toBe(refused);
  expect(calls).toEqual([]);
});

test("runWorker() goes on when an ending is not its own any more", async () => {
  const { events, error } = await work(() => Promise.resolve({}), {
    client: { complete: () => Promise.reject(LEASE_LOST) },
  });
  expect(events).toEqual(["claimed", "dropped"]);
  expect(error).toBeUndefined();
});

test("runWorker() does as many tasks at once as it was told to", async () => {
  let claimed = 0;
  let running = 0;
  let most = 0;
  await work(async () => {
    most = Math.max(most, ++running);
    await vi.waitFor(() => expect(most).toBe(3), 60_000);
    running--;
    return {};
  }, {
    concurrency: 3,
    client: {
      claim: () => {
        const task_id = ID.replace(/1$/, String(++claimed));
        return claimed > 3 ? null : { ...TASK, task_id };
      },
    },
  });
  expect(most).toBe(3);
});
