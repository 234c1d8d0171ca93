/** Encodes resets for `lua/reset.lua`, and decodes its reply. */
import type { BucketKeys } from '../keys.ts'
import { resetScript } from '../scripts.ts'
import { bucketArgument, type CallMode, ScriptCall } from './script-call.ts'

export class ResetCall extends ScriptCall {
  /** @param reset the callers' keys whose buckets are reset */
  constructor(reset: readonly string[], keys: BucketKeys, mode?: CallMode) {
    super(
      {
        script: resetScript,
        keyCount: reset.length,
        keys: reset.map(key => bucketArgument(key, keys)).join(''),
        args: [String(reset.length), ''],
        firstKey: reset[0] === undefined ? undefined : keys.bucket(reset[0]),
      },
      mode,
    )
  }
}

/** For each key `true`, or `undefined` if nothing was done, since its bucket is elsewhere. */
export function resetsIn(reply: Buffer, reset: readonly string[]): readonly (true | undefined)[] {
  return reset.map((_, i) => (reply.readDoubleBE(i * Float64Array.BYTES_PER_ELEMENT) === 1 ? true : undefined))
}
