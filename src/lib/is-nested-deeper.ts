/** Whether a value has more than so many levels of objects and arrays. */
export function isNestedDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some(member => isNestedDeeper(member, levels - 1))
}
