import type { CheckoutStep } from "../step.ts";
import { vitest } from "../vitest.ts";

/** What `supabase functions deploy` would upload is complete. */
export const deploy: CheckoutStep = {
  name: "deploy",
  run: (context) => vitest(context, "deploy"),
};
