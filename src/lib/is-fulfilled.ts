/** Whether what was asked answers, rather than fails. */
export function answers(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  )
}
