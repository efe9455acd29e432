export type Json = string | number | boolean | null | {
  [key: string]: Json | undefined;
} | Json[];

export type Database = {
  "public": {
    Tables: {
      "generations": {
        Row: {
          "based_on": string | null;
          "child_order": number | null;
          "created_at": string;
          "id": string;
          "is_child": boolean;
          "location": string | null;
          "params": Json | null;
          "parent_generation_id": string | null;
          "project_id": string | null;
          "task_id": string | null;
          "thumbnail_url": string | null;
          "type": string | null;
          "user_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "based_on"?: string | null;
          "child_order"?: number | null;
          "created_at"?: string;
          "id"?: string;
          "is_child"?: boolean;
          "location"?: string | null;
          "params"?: Json | null;
          "parent_generation_id"?: string | null;
          "project_id"?: string | null;
          "task_id"?: string | null;
          "thumbnail_url"?: string | null;
          "type"?: string | null;
          "user_id"?: string | null;
        };
        Update: {
          "based_on"?: string | null;
          "child_order"?: number | null;
          "created_at"?: string;
          "id"?: string;
          "is_child"?: boolean;
          "location"?: string | null;
          "params"?: Json | null;
          "parent_generation_id"?: string | null;
          "project_id"?: string | null;
          "task_id"?: string | null;
          "thumbnail_url"?: string | null;
          "type"?: string | null;
          "user_id"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "generations_belong_to_a_project";
            columns: ["project_id"];
            isOneToOne: false;
            referencedRelation: "projects";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "generations_belong_to_a_user";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "generations_come_from_a_task";
            columns: ["task_id"];
            isOneToOne: true;
            referencedRelation: "tasks";
            referencedColumns: ["id"];
          },
        ];
      };
      "projects": {
        Row: {
          "created_at": string;
          "deleted_at": string | null;
          "id": string;
          "name": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "deleted_at"?: string | null;
          "id"?: string;
          "name"?: string;
          "user_id": string;
        };
        Update: {
          "created_at"?: string;
          "deleted_at"?: string | null;
          "id"?: string;
          "name"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "projects_belong_to_a_user";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "system_logs": {
        Row: {
          "cycle_number": number | null;
          "id": number;
          "log_level": string;
          "message": string;
          "metadata": NonNullable<Json>;
          "source_id": string | null;
          "source_type": string;
          "task_id": string | null;
          "timestamp": string;
          "worker_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "cycle_number"?: number | null;
          "id"?: number;
          "log_level": string;
          "message": string;
          "metadata"?: NonNullable<Json>;
          "source_id"?: string | null;
          "source_type": string;
          "task_id"?: string | null;
          "timestamp"?: string;
          "worker_id"?: string | null;
        };
        Update: {
          "cycle_number"?: number | null;
          "id"?: number;
          "log_level"?: string;
          "message"?: string;
          "metadata"?: NonNullable<Json>;
          "source_id"?: string | null;
          "source_type"?: string;
          "task_id"?: string | null;
          "timestamp"?: string;
          "worker_id"?: string | null;
        };
        Relationships: [];
      };
      "task_events": {
        Row: {
          "actor": string;
          "at": string;
          "attempt": number;
          "details": Json | null;
          "from_status": string | null;
          "id": number;
          "reason": string | null;
          "task_id": string;
          "to_status": string;
          "user_id": string | null;
          "worker_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "actor": string;
          "at": string;
          "attempt": number;
          "details"?: Json | null;
          "from_status"?: string | null;
          "id"?: never;
          "reason"?: string | null;
          "task_id": string;
          "to_status": string;
          "user_id"?: string | null;
          "worker_id"?: string | null;
        };
        Update: {
          "actor"?: string;
          "at"?: string;
          "attempt"?: number;
          "details"?: Json | null;
          "from_status"?: string | null;
          "id"?: never;
          "reason"?: string | null;
          "task_id"?: string;
          "to_status"?: string;
          "user_id"?: string | null;
          "worker_id"?: string | null;
        };
        Relationships: [];
      };
      "task_types": {
        Row: {
          "category": string;
          "content_type": string | null;
          "creates_generation": boolean;
          "is_active": boolean;
          "is_retryable": boolean;
          "max_attempts": number | null;
          "name": string;
          "run_type": string;
          "runs_on_own_gpu": boolean;
          "timeout": string | null;
        };
        ComputedFields: never;
        Insert: {
          "category"?: string;
          "content_type"?: string | null;
          "creates_generation"?: boolean;
          "is_active"?: boolean;
          "is_retryable"?: boolean;
          "max_attempts"?: number | null;
          "name": string;
          "run_type"?: string;
          "runs_on_own_gpu"?: boolean;
          "timeout"?: string | null;
        };
        Update: {
          "category"?: string;
          "content_type"?: string | null;
          "creates_generation"?: boolean;
          "is_active"?: boolean;
          "is_retryable"?: boolean;
          "max_attempts"?: number | null;
          "name"?: string;
          "run_type"?: string;
          "runs_on_own_gpu"?: boolean;
          "timeout"?: string | null;
        };
        Relationships: [];
      };
      "tasks": {
        Row: {
          "attempts": number;
          "available_at": string | null;
          "claim_id": string | null;
          "claim_repeats": number;
          "claimed_at": string | null;
          "created_at": string;
          "delivered_at": string | null;
          "dependant_on": string | null;
          "error_details": string | null;
          "error_message": string | null;
          "file_location": string | null;
          "generation_created": boolean;
          "generation_processed_at": string | null;
          "generation_started_at": string | null;
          "has_bounded_params": boolean;
          "id": string;
          "idempotency_key": string | null;
          "is_beaten_for": boolean;
          "lease_token": string | null;
          "max_attempts": number | null;
          "model": string | null;
          "output_location": string | null;
          "params": NonNullable<Json>;
          "pool": string | null;
          "priority": number;
          "project_id": string | null;
          "readiness": string | null;
          "released_at": string | null;
          "reported_at": string | null;
          "requeue_count": number;
          "result_data": Json | null;
          "run_type": string | null;
          "runs_on_own_gpu": boolean;
          "seen_at": string | null;
          "status": string;
          "takes_slot": boolean | null;
          "task_type": string;
          "thumbnail_url": string | null;
          "timeout": string | null;
          "token_id": string | null;
          "uncounted_releases": number;
          "updated_at": string | null;
          "user_id": string | null;
          "worker_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "attempts"?: number;
          "available_at"?: string | null;
          "claim_id"?: string | null;
          "claim_repeats"?: number;
          "claimed_at"?: string | null;
          "created_at"?: string;
          "delivered_at"?: string | null;
          "dependant_on"?: string | null;
          "error_details"?: string | null;
          "error_message"?: string | null;
          "file_location"?: string | null;
          "generation_created"?: boolean;
          "generation_processed_at"?: string | null;
          "generation_started_at"?: string | null;
          "has_bounded_params"?: boolean;
          "id"?: string;
          "idempotency_key"?: string | null;
          "is_beaten_for"?: boolean;
          "lease_token"?: string | null;
          "max_attempts"?: number | null;
          "model"?: string | null;
          "output_location"?: string | null;
          "params"?: NonNullable<Json>;
          "pool"?: string | null;
          "priority"?: number;
          "project_id"?: string | null;
          "readiness"?: string | null;
          "released_at"?: string | null;
          "reported_at"?: string | null;
          "requeue_count"?: number;
          "result_data"?: Json | null;
          "run_type"?: string | null;
          "runs_on_own_gpu"?: boolean;
          "seen_at"?: string | null;
          "status"?: string;
          "takes_slot"?: boolean | null;
          "task_type": string;
          "thumbnail_url"?: string | null;
          "timeout"?: string | null;
          "token_id"?: string | null;
          "uncounted_releases"?: number;
          "updated_at"?: string | null;
          "user_id"?: string | null;
          "worker_id"?: string | null;
        };
        Update: {
          "attempts"?: number;
          "available_at"?: string | null;
          "claim_id"?: string | null;
          "claim_repeats"?: number;
          "claimed_at"?: string | null;
          "created_at"?: string;
          "delivered_at"?: string | null;
          "dependant_on"?: string | null;
          "error_details"?: string | null;
          "error_message"?: string | null;
          "file_location"?: string | null;
          "generation_created"?: boolean;
          "generation_processed_at"?: string | null;
          "generation_started_at"?: string | null;
          "has_bounded_params"?: boolean;
          "id"?: string;
          "idempotency_key"?: string | null;
          "is_beaten_for"?: boolean;
          "lease_token"?: string | null;
          "max_attempts"?: number | null;
          "model"?: string | null;
          "output_location"?: string | null;
          "params"?: NonNullable<Json>;
          "pool"?: string | null;
          "priority"?: number;
          "project_id"?: string | null;
          "readiness"?: string | null;
          "released_at"?: string | null;
          "reported_at"?: string | null;
          "requeue_count"?: number;
          "result_data"?: Json | null;
          "run_type"?: string | null;
          "runs_on_own_gpu"?: boolean;
          "seen_at"?: string | null;
          "status"?: string;
          "takes_slot"?: boolean | null;
          "task_type"?: string;
          "thumbnail_url"?: string | null;
          "timeout"?: string | null;
          "token_id"?: string | null;
          "uncounted_releases"?: number;
          "updated_at"?: string | null;
          "user_id"?: string | null;
          "worker_id"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "tasks_belong_to_a_project";
            columns: ["project_id"];
            isOneToOne: false;
            referencedRelation: "projects";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "tasks_belong_to_a_user";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "user_api_tokens": {
        Row: {
          "created_at": string;
          "expires_at": string | null;
          "id": string;
          "label": string;
          "revoked_at": string | null;
          "token_hash": string;
          "token_prefix": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "expires_at"?: string | null;
          "id"?: string;
          "label"?: string;
          "revoked_at"?: string | null;
          "token_hash": string;
          "token_prefix"?: string;
          "user_id": string;
        };
        Update: {
          "created_at"?: string;
          "expires_at"?: string | null;
          "id"?: string;
          "label"?: string;
          "revoked_at"?: string | null;
          "token_hash"?: string;
          "token_prefix"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "user_api_tokens_belong_to_a_user";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "users": {
        Row: {
          "created_at": string;
          "credits": number;
          "id": string;
          "max_in_progress": number | null;
          "max_orchestrating": number | null;
          "settings": Json | null;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "credits"?: number;
          "id": string;
          "max_in_progress"?: number | null;
          "max_orchestrating"?: number | null;
          "settings"?: Json | null;
        };
        Update: {
          "created_at"?: string;
          "credits"?: number;
          "id"?: string;
          "max_in_progress"?: number | null;
          "max_orchestrating"?: number | null;
          "settings"?: Json | null;
        };
        Relationships: [];
      };
      "workers": {
        Row: {
          "created_at": string;
          "current_model": string | null;
          "ended_at": string | null;
          "failed_at": string | null;
          "goodbye_at": string | null;
          "id": string;
          "instance_type": string;
          "kept_at": string | null;
          "last_heartbeat": string | null;
          "metadata": NonNullable<Json>;
          "reaped_at": string | null;
          "status": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "current_model"?: string | null;
          "ended_at"?: string | null;
          "failed_at"?: string | null;
          "goodbye_at"?: string | null;
          "id": string;
          "instance_type"?: string;
          "kept_at"?: string | null;
          "last_heartbeat"?: string | null;
          "metadata"?: NonNullable<Json>;
          "reaped_at"?: string | null;
          "status"?: string;
        };
        Update: {
          "created_at"?: string;
          "current_model"?: string | null;
          "ended_at"?: string | null;
          "failed_at"?: string | null;
          "goodbye_at"?: string | null;
          "id"?: string;
          "instance_type"?: string;
          "kept_at"?: string | null;
          "last_heartbeat"?: string | null;
          "metadata"?: NonNullable<Json>;
          "reaped_at"?: string | null;
          "status"?: string;
        };
        Relationships: [];
      };
    };
    Views: {
      "active_workers_health": {
        Row: {
          "created_at": string | null;
          "current_model": string | null;
          "current_task_id": string | null;
          "current_task_type": string | null;
          "health_status": string | null;
          "heartbeat_age_seconds": number | null;
          "id": string | null;
          "instance_type": string | null;
          "last_heartbeat": string | null;
          "status": string | null;
          "task_runtime_seconds": number | null;
          "tasks_held": number | null;
          "vram_timestamp": Json | null;
          "vram_total_mb": Json | null;
          "vram_used_mb": Json | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
      "orchestrator_status": {
        Row: {
          "active_workers": number | null;
          "completed_tasks": number | null;
          "error_tasks": number | null;
          "external_workers": number | null;
          "failed_tasks": number | null;
          "inactive_workers": number | null;
          "queued_tasks": number | null;
          "running_tasks": number | null;
          "snapshot_time": string | null;
          "stale_workers": number | null;
          "stuck_tasks": number | null;
          "terminated_workers": number | null;
        };
        ComputedFields: never;
        Relationships: [];
      };
    };
    Functions: {
      "beat": {
        Args: {
          "p_caller": Json;
          "p_logs"?: Json;
          "p_status"?: string;
          "p_task_ids"?: (string)[];
          "p_vram_total_mb"?: Json;
          "p_vram_used_mb"?: Json;
          "p_worker_id": string;
        };
        Returns: Json;
      };
      "cancel_tasks": {
        Args: {
          "p_caller"?: Json;
          "p_filter": Json;
          "p_limit"?: number;
          "p_reason"?: string;
        };
        Returns: Json;
      };
      "claim_next_task": {
        Args: {
          "p_caller": Json;
          "p_claim_id"?: string;
          "p_dry_run"?: boolean;
          "p_max_task_wait_minutes"?: number;
          "p_run_type"?: string;
          "p_same_model_only"?: boolean;
          "p_worker_id": string;
        };
        Returns: Json;
      };
      "complete_task": {
        Args: {
          "p_caller": Json;
          "p_description"?: string;
          "p_lease_token"?: string;
          "p_output_location"?: string;
          "p_result_data"?: Json;
          "p_task_id": string;
          "p_thumbnail_url"?: string;
        };
        Returns: Json;
      };
      "create_api_token": {
        Args: { "p_expires_at"?: string; "p_label"?: string };
        Returns: string;
      };
      "create_task": {
        Args: { "p_caller": Json; "p_task": Json };
        Returns: Json;
      };
      "create_tasks": {
        Args: { "p_caller": Json; "p_tasks": Json };
        Returns: Json;
      };
      "explain_task": {
        Args: { "p_caller": Json; "p_task_id": string };
        Returns: Json;
      };
      "explain_worker": {
        Args: {
          "p_caller": Json;
          "p_run_type"?: string;
          "p_worker_id": string;
        };
        Returns: Json;
      };
      "files_to_sweep": {
        Args: { "p_after"?: string; "p_caller": Json };
        Returns: Json;
      };
      "func_get_task_counts": {
        Args: { "mode"?: string; "run_type_filter"?: string };
        Returns: Json;
      };
      "func_insert_logs_batch": { Args: { "": Json }; Returns: Json };
      "func_update_worker_heartbeat": {
        Args: { "": Json };
        Returns: undefined;
      };
      "func_worker_heartbeat_with_logs": { Args: { "": Json }; Returns: Json };
      "get_completed_segments": {
        Args: {
          "p_after_index"?: number;
          "p_caller": Json;
          "p_project_id"?: string;
          "p_run_id": string;
        };
        Returns: Json;
      };
      "get_orchestrator_children": {
        Args: {
          "p_after"?: string;
          "p_caller": Json;
          "p_orchestrator_task_id": string;
        };
        Returns: Json;
      };
      "get_predecessor_output": {
        Args: {
          "p_caller": Json;
          "p_child_order"?: number;
          "p_parent_generation_id"?: string;
          "p_task_id": string;
        };
        Returns: Json;
      };
      "get_task_output": {
        Args: { "p_caller": Json; "p_task_id": string };
        Returns: Json;
      };
      "get_task_status": {
        Args: { "p_caller": Json; "p_task_id": string };
        Returns: Json;
      };
      "health": { Args: { "p_caller": Json }; Returns: Json };
      "keep_worker": {
        Args: { "p_caller"?: Json; "p_keep"?: boolean; "p_worker_id": string };
        Returns: Json;
      };
      "mark_task_failed": {
        Args: {
          "p_caller": Json;
          "p_error_details"?: string;
          "p_error_message"?: string;
          "p_lease_token"?: string;
          "p_retryable"?: boolean;
          "p_task_id": string;
        };
        Returns: Json;
      };
      "move_project": {
        Args: {
          "p_caller"?: Json;
          "p_project_id": string;
          "p_user_id": string;
        };
        Returns: Json;
      };
      "note_call": {
        Args: { "p_caller": Json; "p_task_id": string };
        Returns: boolean;
      };
      "note_refused_claim": {
        Args: { "p_caller": Json; "p_worker_id": string };
        Returns: boolean;
      };
      "note_unused_fields": {
        Args: { "p_caller": Json; "p_counts": Json; "p_endpoint": string };
        Returns: undefined;
      };
      "repair_generations": {
        Args: {
          "p_dry_run"?: boolean;
          "p_limit"?: number;
          "p_task_ids"?: (string)[];
        };
        Returns: Json;
      };
      "requeue_tasks": {
        Args: {
          "p_caller"?: Json;
          "p_dry_run"?: boolean;
          "p_filter"?: Json;
          "p_limit"?: number;
          "p_reason"?: string;
          "p_task_ids"?: (string)[];
        };
        Returns: Json;
      };
      "revoke_api_token": { Args: { "p_token_id": string }; Returns: boolean };
      "set_task_type": {
        Args: { "p_caller"?: Json; "p_changes"?: Json; "p_name": string };
        Returns: Json;
      };
      "task_counts": {
        Args: {
          "p_caller": Json;
          "p_include_active"?: boolean;
          "p_include_lists"?: boolean;
          "p_run_type"?: string;
          "p_unused"?: (string)[];
        };
        Returns: Json;
      };
      "unknown_task_types": { Args: { "p_caller"?: Json }; Returns: Json };
      "update_shot_pair_prompts": { Args: { "p_caller": Json }; Returns: Json };
      "update_task_status": {
        Args: {
          "p_attempts"?: number;
          "p_caller": Json;
          "p_error_details"?: string;
          "p_error_message"?: string;
          "p_lease_token"?: string;
          "p_output_location"?: string;
          "p_reset_generation_started_at"?: boolean;
          "p_result_data"?: Json;
          "p_status": string;
          "p_task_id": string;
          "p_thumbnail_url"?: string;
        };
        Returns: Json;
      };
      "update_worker_model": {
        Args: { "p_caller": Json; "p_model": string; "p_worker_id": string };
        Returns: Json;
      };
      "upload_target": {
        Args: {
          "p_caller": Json;
          "p_lease_token"?: string;
          "p_task_id": string;
        };
        Returns: Json;
      };
      "worker_health": {
        Args: { "p_caller": Json; "p_window_minutes"?: number };
        Returns: Json;
      };
    };
    Enums: {
      [_ in never]: never;
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema =
  DatabaseWithoutInternals[Extract<keyof Database, "public">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof (
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
        "Tables"
      ]
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
        "Views"
      ]
    )
    : never = never,
> = DefaultSchemaTableNameOrOptions extends
  { schema: keyof DatabaseWithoutInternals } ? (
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
      "Tables"
    ]
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
      "Views"
    ]
  )[TableName] extends {
    Row: infer R;
  } ? R
  : never
  : DefaultSchemaTableNameOrOptions extends
    keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[
      DefaultSchemaTableNameOrOptions
    ] extends {
      Row: infer R;
    } ? R
    : never
  : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
      "Tables"
    ]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends
  { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
    "Tables"
  ][TableName] extends {
    Insert: infer I;
  } ? I
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I;
    } ? I
    : never
  : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
      "Tables"
    ]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends
  { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]][
    "Tables"
  ][TableName] extends {
    Update: infer U;
  } ? U
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U;
    } ? U
    : never
  : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]][
      "Enums"
    ]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends
  { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][
    EnumName
  ]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  }
    ? keyof DatabaseWithoutInternals[
      PublicCompositeTypeNameOrOptions["schema"]
    ]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends
  { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]][
    "CompositeTypes"
  ][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends
    keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never;

export const Constants = {
  "public": {
    Enums: {},
  },
} as const;
