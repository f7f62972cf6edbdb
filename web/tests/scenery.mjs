// Farms as the service would tell of them, made up: a calm one, one with every kind of trouble, and one whose texts mean harm.

import { card, instance, large } from './stand.mjs';

const key = (one) => ({ Hostname: one.host, Port: one.port });
const address = (one) => `${one.host}:${one.port}`;
/** A moment, so many seconds ago. */
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

/** Text as somebody may set it who means harm, has a sense of humour, or writes from right to left: 200 characters. */
export const HOSTILE = `<img src=x onerror="document.title='owned'"><script>alert(1)</script> "'&amp; 🦭 \u202eשלום עולם مرحبا ${'looooooooong'.repeat(20)}`.slice(0, 200);

const text = (plain, hostile) => (hostile ? HOSTILE : plain);

/** A primary and its replicas, of which some are ill. */
function shop(hostile) {
  const at = (number, more) => instance(number, {
    host: `shop-db${number}.ams.example.com`, cluster: 'shop-db0.ams.example.com:3306', cluster_alias: text('shop', hostile),
    data_center: text(['ams', 'fra', 'lon'][number % 3], hostile), alias: hostile ? HOSTILE : '', ...more,
  });
  const primary = at(0, { role: 'primary', writes: 'writable', receiver: '', applier: '', semi_sync_source: 'active', tags: { owner: text('checkout', hostile), tier: '1' } });
  const below = (number, more) => at(number, { source: key(primary), depth: 1, semi_sync_replica: number < 3 ? 'active' : '', ...more });
  const middle = below(4, { role: 'intermediate' });
  return [
    primary,
    below(1, { promotion_rule: 'prefer' }),
    below(2, { downtime: { owner: text('ann', hostile), reason: text('new disk, ticket 4711', hostile), ends: ago(-7200) }, tags: { [text('rack', hostile)]: text('b12', hostile) } }),
    below(3, { lag_secs: 83, problems: ['replication_lag'], errant: '5d1c0f6a-0000-0000-0000-000000000003:1-4' }),
    middle,
    at(5, { source: key(middle), depth: 2, receiver: 'stopped', problems: ['not_replicating'], lag_secs: null, receiver_error: text('error connecting to source: Access denied', hostile), applier_error: hostile ? HOSTILE : '' }),
    at(6, { source: key(middle), depth: 2, state: 'unreachable', failure: text('connection refused', hostile), failing_since: ago(312), problems: ['unreachable'] }),
    at(7, { source: key(middle), depth: 2, delay_secs: 3600, lag_secs: 3600, maintenance: { owner: text('bob', hostile), reason: text('index rebuild', hostile), ends: ago(-600) }, promotion_rule: 'must_not' }),
  ];
}

const named = (members, more) => ({ ...card(members), name: members[0].cluster, alias: members[0].cluster_alias, primary: members[0], ...more });

function small(alias, number, more = {}, own = {}) {
  const cluster = `${alias}-db1.example.com:3306`;
  const primary = instance(number, { host: `${alias}-db1.example.com`, cluster, cluster_alias: alias, role: 'primary', writes: 'writable', receiver: '', applier: '', data_center: 'fra', ...own });
  const replicas = [2, 3].map((n) => instance(n, { host: `${alias}-db${n}.example.com`, cluster, cluster_alias: alias, source: key(primary), depth: 1, data_center: 'fra' }));
  return named([primary, ...replicas], { lag_secs: 0, readiness: { verdict: 'nothing_lost', successor: key(replicas[0]), because: 'each commit waited for 1 of 2 replicas', known_lost: 0 }, ...more });
}

const finding = (one, more) => ({
  instance: key(one), cluster: one.cluster, cluster_alias: one.cluster_alias, code: 'NoProblem', title: '', severity: 'remark', remarks: [], is_primary: false,
  failure: '', failing_since: null, last_seen: null, replicas: 0, witnesses: [], nodes: [], downtimed: false, hold: null, ...more,
});

const recovery = (id, cluster, more) => ({
  id, uid: `${id}:${'0123456789abcdef'.repeat(2)}`, code: 'DeadMaster', kind: 'primary', cluster: cluster.name, cluster_alias: cluster.alias,
  failed: key(cluster.primary), successor: { Hostname: 'blog-db2.example.com', Port: 3306 }, started: ago(5400 * id), ended: ago(5400 * id - 0.214), successful: true,
  certificate: 'nothing_lost', lost: [], errors: [], acknowledged: null, detection: id, steps_begun: 11, steps_ended: 11, ...more,
});

const STEPS = ['raise the epoch', 'prove the diagnosis anew', 'choose who is promoted', 'let it apply all that it received', 'fence the old primary', 'make it writable', 'move the other replicas', 'tell the key-value stores', 'run PostMasterFailoverProcesses', 'put the old primary into downtime', 'close the recovery'];

function record(row, hostile) {
  const at = (ms) => new Date(Date.parse(row.started) + ms).toISOString();
  const done = row.ended ? STEPS.length : 5;
  return {
    uid: row.uid, state: row.ended ? (row.successful ? 'done' : 'failed') : 'running', code: row.code, kind: row.kind, cluster: row.cluster, cluster_alias: row.cluster_alias,
    cluster_now: row.cluster, failed: row.failed, successor: row.successor, lost: row.lost, errors: row.errors, started: row.started, ended: row.ended,
    begun_by: { hostname: text('orch1.example.com', hostile) }, executed_by: { hostname: text('orch1.example.com', hostile) }, epoch: 7, parent: null,
    certificate: row.certificate === 'nothing_lost' || !row.certificate
      ? { verdict: 'NothingLost', because: ['each commit waited for an acknowledgement (AFTER_SYNC)', `${row.successor?.Hostname ?? 'nobody'} received all that any replica has`, text('semi-sync was in effect for 14 days', hostile)], holds: '' }
      : { verdict: { MayLose: { known: '5d1c0f6a-3c1e-11f0-9f6e-0242ac110002:100001-100017', after: ['5d1c0f6a-3c1e-11f0-9f6e-0242ac110002:100018-…'] } }, because: ['it did not wait for replicas'], holds: '' },
    planned: STEPS.map((action, number) => ({ number: number + 1, stage: number + 1, required: number < 6, action, writes_wait: false })), write_block_ms: null,
    steps: STEPS.slice(0, done).map((action, number) => ({
      number: number + 1, action: number === 6 && hostile ? HOSTILE : action, epoch: 7, started: at(number * 19), finished: number + 1 === done && !row.ended ? null : at(number * 19 + 14),
      outcome: number + 1 === done && !row.ended ? null : !row.successful && number + 1 === done ? 'failed' : number === 7 ? 'skipped' : 'done',
      message: number === 3 ? '0 transactions were left to apply' : number === 7 ? 'KVClusterMasterPrefix is not set' : number === 8 ? text('exit 0; it said: vip moved', hostile) : '',
    })),
    story: [
      { at: at(2), message: 'the primary does not answer, and 3 of 3 replicas lost it' },
      { at: at(71), message: text('PreFailoverProcesses 1 of 1 said: paging on-call', hostile) },
      { at: at(205), message: text('PostFailoverProcesses 1 of 2: exit 0 after 12 ms', hostile) },
    ],
  };
}

/** A primary that was replaced. */
function back(one, next, hostile, more) {
  return {
    instance: key(one), cluster_alias: text('shop', hostile), replaced_by: key(next), recovery: '1795451285195908000:84', since: ago(3600), answers: true,
    writes: 'super_read_only', state: 'held', why: '', divergence: null, ...more,
  };
}

/** What a switch, or a recovery, would do. */
function rehearsal(members, hostile) {
  const [old, next, late, lag] = members;
  const said = (instance, best, eligible, why) => ({ instance: key(instance), best, eligible, why: text(why, hostile) });
  const steps = ['run PreGracefulTakeoverProcesses', 'wait until {b} follows {a} closely', 'move {c} below {b}', 'freeze {a}: refuse all writes, wait for those under way', 'let {b} apply all that {a} executed', 'see that {a} stands still', 'promote {b}: forget its source, accept writes', 'publish {b} as the primary', 'configure {a} as a replica of {b}'];
  const named = (step) => step.replace('{a}', address(old)).replace('{b}', address(next)).replace('{c}', address(late));
  return {
    subject: key(old), cluster: old.cluster, cluster_alias: text('shop', hostile), is_primary: true, answers: true, code: 'NoProblem', title: '', successor: key(next), hold: null, running: null, can_be_forced: false,
    candidates: [said(next, true, true, ''), said(late, false, true, 'ranks below: it is in downtime'), said(lag, false, false, 'lags 83 s, has transactions that the primary lacks: 5d1c0f6a-0000-0000-0000-000000000003:1-4')],
    certificate: { verdict: 'NothingLost', because: ['the old primary lives: it is frozen, and the new one applies all that it executed'], holds: '' },
    steps: steps.map((step, index) => ({ number: index + 1, stage: index < 5 ? index + 1 : index, required: index < 7, action: text(named(step), hostile && index === 2), writes_wait: index > 2 && index < 7 })),
    lost: [{ instance: key(lag), why: text('does not answer', hostile) }], write_block_ms: 5000,
    notes: [text('Sessions whose transactions hold up the closing are ended.', hostile), 'The old primary goes on as a read-only replica.'],
  };
}

/** Everything that goes wrong, and everything that is well. */
export function farm(hostile = false) {
  const members = shop(hostile);
  const [primary, , , , , , gone] = members;
  const own = named(members, { data_centers: hostile ? { [HOSTILE]: 8 } : { ams: 3, fra: 3, lon: 2 }, downtimed: 1, in_maintenance: 1, lag_secs: 83, readiness: { verdict: 'may_lose', successor: key(members[1]), because: text('it waits for 1 of 2 replicas, and 17 transactions are acknowledged by none', hostile), known_lost: 17 } });
  const blog = small('blog', 40, { readiness: { verdict: 'held', successor: null, because: 'a recovery ran 12 minutes ago, and is not acknowledged: nothing begins before 17:12', known_lost: 0 } }, { state: 'unreachable', failure: 'no answer within 1 s', failing_since: ago(41), problems: ['unreachable'] });
  blog.problems = { unreachable: 1 };
  const wallet = small('wallet', 50);
  const others = ['search', 'mail', 'metrics'].map((alias, index) => small(alias, 60 + index));
  const left = small('old-blog', 70, { replaced_by: { Hostname: 'blog-db1.example.com', Port: 3306 }, instances: 1, readiness: null });
  const clusters = [own, blog, wallet, ...others, left];
  const running = recovery(9, wallet, { started: ago(3), ended: null, successful: false, certificate: null, successor: null, steps_begun: 5, steps_ended: 4 });
  const recoveries = [
    running,
    recovery(8, blog, { started: ago(720), ended: ago(719.8) }),
    recovery(7, own, { started: ago(86400), ended: ago(86399.2), certificate: 'may_lose', lost: [key(gone)], errors: hostile ? [HOSTILE] : [], acknowledged: { by: text('ann', hostile), at: ago(86000), comment: text('power supply of rack b12', hostile) } }),
    recovery(6, others[1], { started: ago(186400), ended: ago(186398), successful: false, successor: null, certificate: null, errors: [text('no replica has all that was acknowledged', hostile)], acknowledged: { by: 'bob', at: ago(186000), comment: 'recovered by hand' } }),
  ];
  const evidence = (says) => ({ who: text('shop-db7.ams.example.com:3306', hostile), verdict: 'silent', says });
  const findings = [
    finding(blog.primary, {
      code: 'DeadMaster', title: 'Primary is dead', severity: 'failure', is_primary: true, failure: text('no answer within 1 s', hostile), failing_since: ago(41), last_seen: ago(46), replicas: 2,
      witnesses: [{ who: 'blog-db2.example.com:3306', verdict: 'fails', says: 'cannot connect to it (error 2003)' }, { ...evidence('does not try: its receiver is stopped'), who: text('blog-db3.example.com:3306', hostile) }],
      nodes: [{ who: 'orch2.example.com:10008', verdict: 'fails', says: text('cannot reach it: no answer within 1 s', hostile) }, { who: 'orch3.example.com:10008', verdict: 'fails', says: 'cannot reach it: connection refused' }],
      hold: { kind: 'cooldown', reason: text(`recovery ${recoveries[1].uid} ran 12 minutes ago and is not acknowledged`, hostile), details: { uid: recoveries[1].uid } },
    }),
    finding(members[4], { code: 'AllIntermediateMasterReplicasNotReplicating', title: 'No replica of an intermediate source replicates', severity: 'failure', replicas: 3, witnesses: [evidence('does not answer itself')] }),
    finding(members[5], { code: 'FirstTierReplicaFailingToConnectToMaster', title: text('A replica cannot connect to its source', hostile), severity: 'warning' }),
    finding(members[2], { code: 'DeadIntermediateMaster', title: 'Intermediate source is dead', severity: 'failure', downtimed: true, failure: 'connection refused', hold: { kind: 'downtimed', reason: 'it is in downtime', details: null } }),
    finding(primary, { is_primary: true, remarks: ['Replicas have different versions than their source', text('Too few replicas acknowledge commits', hostile)] }),
  ];
  const name = (number) => ({ id: number, address: `10.0.0.${number}:10008`, hostname: text(`orch${number}.example.com`, hostile), http: `http://10.0.0.${number}:3000` });
  const nodes = {
    raft: true, node: name(1), state: 'leader', why: null, term: 7, leader: name(1), lease_ms: 0, last_log: 51820, applied: 51820, snapshot: 50000,
    members: [1, 2, 3].map((number) => ({ ...name(number), version: '0.9.0', role: 'voter', is_leader: number === 1, healthy: number !== 3, heard_ms: 0, applied: 51820 - [0, 0, 1, 640][number] })),
    configured_only: [], members_only: hostile ? [HOSTILE] : [],
  };
  const topics = {
    clusters: clusters.map((one) => [one.name, one]),
    findings: findings.map((one, index) => [index === 2 || index === 4 ? `${index}` : address({ host: one.instance.Hostname, port: one.instance.Port }), one]),
    recoveries: recoveries.map((one) => [one.uid, one]),
    settings: [['recoveries_enabled', true]],
    nodes: [['nodes', nodes]],
    shown: [['cluster', own.name]],
    instances: members.map((one) => [address(one), one]),
    returned: [
      back(members[6], members[0], hostile, { kind: 'divergent', why: 'it has transactions that the primary has not', divergence: 4 }),
      back(blog.primary, blog.primary, hostile, { kind: 'unreadable', answers: false, writes: '' }),
      back(others[2].primary, others[2].primary, hostile, { kind: 'policy_off', why: 'ReturnedPrimaryPolicy is off' }),
    ].map((one) => [address({ host: one.instance.Hostname, port: one.instance.Port }), one]),
    divergences: [['4', {
      id: 4, instance: key(members[6]), primary: key(members[0]), found: ago(600), gtids: '5d1c0f6a-3c1e-11f0-9f6e-0242ac110002:100018-100034', transactions: 17, changes: 40,
      tables: { [text('shop.orders', hostile)]: { insert: 38, update: 2 } }, file: text('/var/lib/orchestrator/divergence/shop-db6_3306.jsonl', hostile), node: 'orch1.example.com', note: text('', hostile),
    }]],
  };
  return { topics, answers: answers({ members, recoveries, blog, others, hostile }), own, members, recoveries };
}

function answers({ members, recoveries, blog, others, hostile }) {
  const detections = recoveries.map((one, index) => ({
    id: one.id, code: index === 3 ? 'UnreachableMaster' : 'DeadMaster', title: text(index === 3 ? 'Primary is unreachable, and its replicas still have it' : 'Primary is dead', hostile), instance: one.failed, cluster: one.cluster,
    cluster_alias: one.cluster_alias, at: one.started, replicas: [one.failed, one.failed], actionable: index !== 3, recovery: index === 3 ? 0 : one.id, node: text('orch1.example.com', hostile),
  }));
  const doings = [
    ['begin-downtime', 'ann: shop-db2.ams.example.com:3306 for 2 h: new disk, ticket 4711'], ['ack-recovery', 'ann: power supply of rack b12'], ['recover-dead-master', 'blog-db2.example.com:3306 took over from blog-db1.example.com:3306'],
    ['register-candidate', 'shop-db1.ams.example.com:3306 has the rule prefer'], ['discover', 'shop-db0.ams.example.com:3306'],
  ];
  const audit = doings.map(([kind, message], index) => ({ id: 90 - index, at: ago(300 * (index + 1)), kind, instance: index === 1 ? null : key(members[index]), cluster: members[0].cluster, message: text(message, hostile) }));
  const listing = (rows) => ({ rows, page: 0, more: rows.length > 0 });
  const details = members.map((row) => ({
    row, now: ago(0), seen: ago(2), checked: ago(2), first_heard: ago(9e5), failures: 0, latency_us: 1830, demoted: null,
    replicas: members.filter((one) => one.source?.Hostname === row.host).map(key),
    server: {
      uuid: '5d1c0f6a-3c1e-11f0-9f6e-0242ac110002', server_id: 101, version_comment: 'MySQL Community Server - GPL', uptime_secs: 1814400,
      binlog: { enabled: true, format: 'ROW', row_image: 'FULL', coordinates: { file: text('binlog.000231', hostile), position: 91827364 } },
      gtid: { mode: 'ON', executed: '5d1c0f6a-3c1e-11f0-9f6e-0242ac110002:1-100017,\n7e2d0f6a-3c1e-11f0-9f6e-0242ac110003:1-4', purged: '5d1c0f6a-3c1e-11f0-9f6e-0242ac110002:1-90000' },
      channels: row.source ? [{ name: '', user: text('replication', hostile), receiver_errno: 0, applier_errno: 0, retrieved: '5d1c0f6a-3c1e-11f0-9f6e-0242ac110002:90001-100017', tls: { enabled: true } }] : [],
      semi_sync: { wait_count: 1, timeout_ms: 1000, lossless: true, clients: 2, unacknowledged: 0 },
    },
  }));
  return [
    [/^recoveries$/, () => listing(recoveries)],
    [/^recoveries\/(.+)$/, (uid) => recoveries.filter((one) => one.uid === uid).map((one) => record(one, hostile))[0]],
    [/^detections$/, () => listing(detections)],
    [/^audit$/, () => listing(audit)],
    [/^search$/, () => ({ instances: [...members, blog.primary, others[0].primary], total: 10 })],
    [/^instances\/([^/]+)\/\d+$/, (host) => details.find((one) => one.row.host === host)],
    [/^instances$/, () => members[0]],
    [/^clusters\/[^/]+\/takeover$/, () => rehearsal(members, hostile)],
    [/^instances\/[^/]+\/\d+\/recover$/, () => ({
      ...rehearsal(members, hostile), answers: false, code: 'DeadMaster', title: text('The primary does not answer', hostile), successor: null, steps: [], certificate: null, can_be_forced: true, notes: [], lost: [],
      hold: { kind: 'not_witnessed', reason: text('no replica confirms that it is dead', hostile), until: null, remedy: text('orchestrator-client -c recover -i db1:3306', hostile) },
    })],
    [/^probing$/, () => probing(hostile)],
    [/^configuration$/, () => ({
      ListenAddress: ':3000', MySQLTopologyUser: 'orchestrator', MySQLTopologyPassword: '***', InstancePollSeconds: 5, RecoverMasterClusterFilters: ['*'], RaftEnabled: true,
      RaftNodes: ['10.0.0.1:10008', '10.0.0.2:10008', '10.0.0.3:10008'], DetectDataCenterQuery: text("select substring_index(substring_index(@@hostname, '-', 2), '-', -1)", hostile),
      OnFailureDetectionProcesses: ["echo 'Detected {failureType} on {failureCluster}. Affected replicas: {countReplicas}' >> /tmp/recovery.log"], PreventCrossDataCenterMasterFailover: true, BackendDB: 'sqlite',
    })],
  ];
}

/** A quarter of an hour with a bad minute in it. */
function probing(hostile) {
  const wave = (index) => 1.4 + 0.4 * Math.sin(index / 5) + 0.2 * Math.sin(index * 1.7);
  const past = Array.from({ length: 90 }, (_, index) => {
    const bad = index > 52 && index < 60;
    const median = wave(index) * (bad ? 6 : 1);
    return { begins: ago((90 - index) * 10), probes: 200, failures: bad ? 12 + (index % 3) * 7 : index % 31 === 0 ? 1 : 0, median_ms: median, p95_ms: median * (2.4 + (index % 7) / 7), max_ms: median * 6, queue: bad ? 40 + index : index % 23 === 0 ? 2 : 0, waited_ms: bad ? 300 + index * 11 : index % 23 === 0 ? 4 : 0 };
  });
  return { node: text('orch1.example.com', hostile), now: ago(0), stretch_secs: 10, at_one_time: 300, queue: 0, waits_ms: 0, past };
}

/** A service that was started a moment ago. */
export function nothing() {
  const topics = Object.fromEntries(['clusters', 'findings', 'recoveries', 'shown', 'instances'].map((name) => [name, []]));
  topics.settings = [['recoveries_enabled', true]];
  const name = { id: 1, address: '', hostname: '', http: '' };
  topics.nodes = [['nodes', { raft: false, node: name, state: 'alone', why: null, term: 0, leader: name, lease_ms: null, last_log: 0, applied: 0, snapshot: 0, members: [], configured_only: [], members_only: [] }]];
  const none = () => ({ rows: [], page: 0, more: false });
  return {
    topics,
    answers: [
      [/^(recoveries|detections|audit)$/, none],
      [/^search$/, () => ({ instances: [], total: 0 })],
      [/^probing$/, () => ({ node: 'orch1.example.com', now: ago(0), stretch_secs: 10, at_one_time: 300, queue: 0, waits_ms: 0, past: [] })],
      [/^configuration$/, () => ({ ListenAddress: ':3000', BackendDB: 'sqlite' })],
    ],
  };
}

/** A topology of `count` servers, and nothing else. */
export function many(count) {
  const members = large(count);
  const none = nothing();
  const name = members[0].cluster;
  return { ...none, members, topics: { ...none.topics, clusters: [[name, card(members)]], shown: [['cluster', name]], instances: members.map((one) => [address(one), one]) } };
}

/** Every page, by name, with its address in `scene`. */
export function pages({ own, members, recoveries } = {}) {
  const cluster = own ? `cluster/instance/${own.primary.host}/${own.primary.port}` : 'cluster/shop';
  const uid = (recoveries?.[1] ?? { uid: '1:0' }).uid;
  return {
    clusters: 'clusters',
    topology: `${cluster}?view=tree`,
    list: `${cluster}?view=list`,
    drawer: `${cluster}?view=tree&instance=${members ? address(members[3]) : 'db1:3306'}`,
    takeover: `cluster/${own?.primary.host ?? 'shop'}:3306/takeover`,
    recover: `recover/${own?.primary.host ?? 'db1'}:3306`,
    failures: 'clusters-analysis',
    recovery: `audit-recovery/uid/${uid}`,
    recoveries: 'audit-recovery',
    detections: 'audit-failure-detection',
    audit: 'audit',
    discover: 'discover',
    status: 'status',
    search: 'search?s=db',
    missing: 'agents',
  };
}
