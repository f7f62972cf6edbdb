// Which part of a history an address means: ours in the query, Orchestrator's in the path.

/** `audit-recovery/alias/main/2` and the like, as filters of the list. */
export function filters(parts: string[], query: URLSearchParams): Record<string, string> {
  const asked: Record<string, string> = {};
  for (const name of ['alias', 'cluster', 'instance', 'id', 'page', 'unacknowledged']) {
    const value = query.get(name);
    if (value) asked[name] = value;
  }
  const [, kind, value, third, fourth] = parts;
  if (kind === 'instance' && value && third) {
    asked.instance ??= `${value}:${third}`;
    if (fourth) asked.page ??= fourth;
  } else if ((kind === 'alias' || kind === 'cluster' || kind === 'id') && value) {
    asked[kind] ??= value;
    if (third) asked.page ??= third;
  } else if (kind && /^\d+$/.test(kind)) asked.page ??= kind;
  return asked;
}
