/** Tells with each item whether it is the last. Takes one item in advance. */
export function* withLast<T>(items: Iterable<T>): Generator<{ readonly item: T; readonly isLast: boolean }> {
  let previous: { readonly item: T } | undefined
  for (const item of items) {
    if (previous !== undefined) yield { ...previous, isLast: false }
    previous = { item }
  }
  if (previous !== undefined) yield { ...previous, isLast: true }
}
