import { beat } from "../_fairlane/endpoints/beat.ts";
import { serve } from "../_fairlane/serve.ts";

serve(beat);
