/** Encodes resets for `lua/reset.lua`, and decodes its reply. */
import type { BucketKeys } from '../keys.ts'
import { resetScript } from '../scripts.ts'
import { ReplyReader, type ReplyReport } from './check-reply.ts'
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

/** For each key `true`, or `undefined` if it was not reset, since its bucket is elsewhere. */
export function resetsIn(
  reply: Buffer,
  reset: readonly string[],
  report: Pick<ReplyReport, 'expired'>,
): readonly (true | undefined)[] {
  const reader = new ReplyReader(reply)
  return reset.map(key => {
    const isDone = reader.number() === 1
    const expired = reader.number()
    if (expired > 0) report.expired(key, expired)
    return isDone ? true : undefined
  })
}
