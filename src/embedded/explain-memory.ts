import { CannotStart } from '../processes/supervised-process.ts'

/**
 * Explains why WebAssembly did not start. V8 reserves address space for the largest memory that it can have, however little is used.
 * @throws {CannotStart} if there is too little address space; any other error as it is
 */
export function explainMemory(err: Error): never {
  if (!(err instanceof RangeError)) throw err
  throw new CannotStart(
    `the embedded store cannot reserve memory: ${err.message}. It needs up to 12 GB of address space, but uses much less memory: ` +
      'raise the limit (ulimit -v), or set REDIS_URL',
  )
}
