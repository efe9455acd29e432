import { sweepFiles } from "../_fairlane/endpoints/sweep-files.ts";
import { serve } from "../_fairlane/serve.ts";

serve(sweepFiles);
