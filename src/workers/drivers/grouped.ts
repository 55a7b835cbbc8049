/** A flat list as the object some of node's functions take; repeated names become arrays. */
export function grouped(headers: readonly string[]): Record<string, string | string[]> {
  const group: Record<string, string | string[]> = Object.create(null);
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const earlier = group[name];
    if (earlier === undefined) group[name] = value;
    else if (typeof earlier === 'string') group[name] = [earlier, value];
    else earlier.push(value);
  }
  return group;
}
