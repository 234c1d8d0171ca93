/** One line of the report: which setting is wrong, what is allowed, and what was given. */
export function fault(name: string, rule: string, given: string): string {
  return `${JSON.stringify(name)} must ${rule} (got ${given})`
}
