import { claimNextTask } from "../_fairlane/endpoints/claim-next-task.ts";
import { serve } from "../_fairlane/serve.ts";

serve(claimNextTask);
