// What /api/v2 answers with; docs/openapi.json has the same in full.

export interface Key {
  Hostname: string;
  Port: number;
}

export interface Notice {
  owner: string;
  reason: string;
  ends: string;
}

export interface Instance {
  host: string;
  port: number;
  alias: string;
  cluster: string;
  cluster_alias: string;
  source: Key | null;
  depth: number;
  role: 'primary' | 'co-primary' | 'intermediate' | 'replica' | 'replaced';
  version: string;
  flavor: string;
  state: 'ok' | 'stale' | 'unreachable' | 'unseen';
  failure: string;
  failing_since: string | null;
  writes: '' | 'writable' | 'read_only' | 'super_read_only';
  lag_secs: number | null;
  delay_secs: number;
  receiver: '' | 'running' | 'connecting' | 'stopped';
  applier: '' | 'running' | 'connecting' | 'stopped';
  receiver_error: string;
  applier_error: string;
  semi_sync_source: '' | 'enabled' | 'active';
  semi_sync_replica: '' | 'enabled' | 'active';
  gtid: string;
  auto_position: boolean;
  errant: string;
  logs_updates: boolean;
  binlog_format: string;
  filters: boolean;
  data_center: string;
  region: string;
  environment: string;
  promotion_rule: string;
  downtime: Notice | null;
  maintenance: Notice | null;
  tags: Record<string, string>;
  problems: string[];
}

export interface Readiness {
  verdict: 'nothing_lost' | 'may_lose' | 'held';
  successor: Key | null;
  because: string;
  known_lost: number;
}

export interface Cluster {
  name: string;
  alias: string;
  domain: string;
  primary: Instance;
  instances: number;
  problems: Record<string, number>;
  lag_secs: number | null;
  downtimed: number;
  in_maintenance: number;
  data_centers: Record<string, number>;
  replaced_by: Key | null;
  automatic: boolean;
  readiness: Readiness | null;
}

export interface Witness {
  who: string;
  verdict: 'reaches' | 'fails' | 'silent';
  says: string;
}

export interface Hold {
  kind: string;
  reason: string;
  details: Record<string, unknown> | null;
}

export interface Finding {
  instance: Key;
  cluster: string;
  cluster_alias: string;
  code: string;
  title: string;
  severity: 'failure' | 'warning' | 'remark';
  remarks: string[];
  is_primary: boolean;
  failure: string;
  failing_since: string | null;
  last_seen: string | null;
  replicas: number;
  witnesses: Witness[];
  nodes: Witness[];
  downtimed: boolean;
  hold: Hold | null;
}

export interface Recovery {
  id: number;
  uid: string;
  code: string;
  kind: string;
  cluster: string;
  cluster_alias: string;
  failed: Key;
  successor: Key | null;
  started: string;
  ended: string | null;
  successful: boolean;
  certificate: 'nothing_lost' | 'may_lose' | null;
  lost: Key[];
  errors: string[];
  acknowledged: { by: string; at: string; comment: string } | null;
  detection: number;
  steps_begun: number;
  steps_ended: number;
}

export interface Step {
  number: number;
  action: string;
  epoch: number;
  started: string | null;
  finished: string | null;
  outcome: 'done' | 'skipped' | 'failed' | null;
  message: string;
}

export interface Certificate {
  verdict: 'NothingLost' | { MayLose: { known: string; after: string[] } };
  because: string[];
  holds: string;
}

export interface RecoveryRecord {
  uid: string;
  state: 'running' | 'done' | 'failed' | '';
  code: string;
  kind: string;
  cluster: string;
  cluster_alias: string;
  cluster_now: string | null;
  failed: Key;
  successor: Key | null;
  lost: Key[];
  errors: string[];
  started: string;
  ended: string | null;
  begun_by: { hostname: string };
  executed_by: { hostname: string } | null;
  epoch: number | null;
  parent: string | null;
  certificate: Certificate | null;
  planned: PlannedStep[];
  write_block_ms: number | null;
  steps: Step[];
  story: { at: string; message: string }[];
}

export interface PlannedStep {
  number: number;
  stage: number;
  required: boolean;
  action: string;
  writes_wait: boolean;
}

export interface Candidate {
  instance: Key;
  best: boolean;
  eligible: boolean;
  why: string;
}

/** What a takeover or a recovery would do now. */
export interface Rehearsal {
  subject: Key;
  cluster: string;
  cluster_alias: string;
  is_primary: boolean;
  answers: boolean;
  code: string;
  title: string;
  successor: Key | null;
  hold: { kind: string; reason: string; until: string | null; remedy: string | null } | null;
  running: string | null;
  can_be_forced: boolean;
  candidates: Candidate[];
  certificate: Certificate | null;
  steps: PlannedStep[];
  lost: { instance: Key; why: string }[];
  write_block_ms: number | null;
  notes: string[];
}

/** What an action would do to one server. */
export interface Preview {
  statements: string[];
  does: string[];
  beware: string[];
  danger: boolean;
  why_not: string | null;
}

export interface Returned {
  instance: Key;
  cluster_alias: string;
  replaced_by: Key;
  recovery: string;
  since: string;
  answers: boolean;
  writes: '' | 'writable' | 'read_only' | 'super_read_only';
  state: 'held' | 'attaching' | 'settled';
  kind: string;
  why: string;
  divergence: number | null;
}

export interface Divergence {
  id: number;
  instance: Key;
  primary: Key;
  found: string;
  gtids: string;
  transactions: number;
  changes: number;
  tables: Record<string, Record<string, number>> | string;
  file: string;
  node: string;
  note: string;
}

export interface Detection {
  id: number;
  code: string;
  title: string;
  instance: Key;
  cluster: string;
  cluster_alias: string;
  at: string;
  replicas: Key[];
  actionable: boolean;
  recovery: number;
  node: string;
}

export interface AuditEntry {
  id: number;
  at: string;
  kind: string;
  instance: Key | null;
  cluster: string;
  message: string;
}

export interface Listing<T> {
  rows: T[];
  page: number;
  more: boolean;
}

export interface Session {
  user: string;
  may_change: boolean;
  node: string;
  version: string;
  raft: boolean;
  recoveries_enabled: boolean;
  trouble: string | null;
}

export interface NodeName {
  id: number;
  address: string;
  hostname: string;
  http: string;
}

export interface Nodes {
  raft: boolean;
  node: NodeName;
  state: string;
  why: string | null;
  term: number;
  leader: NodeName | null;
  lease_ms: number | null;
  last_log: number;
  applied: number;
  snapshot: number;
  members: (NodeName & {
    version: string;
    role: string;
    is_leader: boolean;
    healthy: boolean;
    heard_ms: number | null;
    applied: number | null;
  })[];
  configured_only: string[];
  members_only: string[];
}

export interface Details {
  row: Instance;
  server: ServerFacts | null;
  replicas: Key[];
  now: string;
  seen: string | null;
  checked: string | null;
  first_heard: string | null;
  failures: number;
  latency_us: number;
  demoted: { successor: Key; recovery: string; at: string } | null;
}

export interface ServerFacts {
  uuid: string | null;
  server_id: number;
  version_comment: string;
  uptime_secs: number;
  binlog: { enabled: boolean; format: string; row_image: string; coordinates: { file: string; position: number } };
  gtid: { mode: string; executed: string; purged: string };
  channels: {
    name: string;
    user: string;
    receiver_errno: number;
    applier_errno: number;
    retrieved: string;
    tls: { enabled: boolean };
  }[];
  semi_sync: { wait_count: number; timeout_ms: number; lossless: boolean; clients: number; unacknowledged: number };
}

/** What probing cost on one node lately. */
export interface Probing {
  node: string;
  now: string;
  stretch_secs: number;
  at_one_time: number;
  queue: number;
  waits_ms: number;
  past: ProbingStretch[];
}

export interface ProbingStretch {
  begins: string;
  probes: number;
  failures: number;
  median_ms: number | null;
  p95_ms: number | null;
  max_ms: number | null;
  queue: number;
  waited_ms: number;
}
