/** Numbers the data centres by the order of their names: each has a colour of its own, as far as there are some. */
export function places(names: Iterable<string>): Map<string, number> {
  const sorted = [...new Set(names)].filter((name) => name !== '').sort();
  return new Map(sorted.map((name, index) => [name, index % 8]));
}
