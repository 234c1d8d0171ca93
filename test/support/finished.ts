import { UNFINISHED, type Unfinished } from '../../src/check/ports.ts'

/** The result of a call on a reservation, which is repeated while it is unfinished, as the queue does. */
export async function finished<Result>(
  ask: () => Promise<readonly (Result | Unfinished | undefined)[]>,
): Promise<Result | undefined> {
  const [result] = await ask()
  return result === UNFINISHED ? finished(ask) : result
}
