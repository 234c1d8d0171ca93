/** What can be asked of the store, each with its script: how it is encoded, and how the reply is read. */
import type { BucketCheck, CheckGroup, GroupReading } from '../../check/ports.ts'
import { bucketPartition } from '../../domain/partition.ts'
import type { BucketReading } from '../../domain/reading.ts'
import { type ReservationId, recordPartition } from '../../domain/reservation-id.ts'
import type { BucketKeys } from '../keys.ts'
import { CheckCall } from './check-call.ts'
import { type ReplyReport, readingsIn } from './check-reply.ts'
import { GroupCall } from './group-call.ts'
import { groupReadingsIn } from './group-reply.ts'
import { type AskedReservation, ReservationCall } from './reservation-call.ts'
import { type RecordedRequest, readRecord } from './reservation-record.ts'
import { type ReservationReply, reservationRepliesIn } from './reservation-reply.ts'
import { ResetCall, resetsIn } from './reset-call.ts'
import type { CallMode, ScriptCall } from './script-call.ts'

export interface Protocol<Item, Result> {
  /** The bucket partition, which all keys of an item are in on a cluster. */
  partitionOf(item: Item): number
  /** Items with the same unit can be asked in one call, wherever their keys are. */
  unitOf(item: Item): unknown
  call(items: readonly Item[], mode: CallMode): ScriptCall
  /** `undefined` for an item that was not decided: nothing was done for it. */
  read(reply: Buffer, items: readonly Item[]): readonly (Result | undefined)[]
}

export interface Protocols {
  readonly checks: Protocol<BucketCheck, BucketReading>
  readonly groups: Protocol<CheckGroup, GroupReading>
  readonly reservations: Protocol<AskedReservation, ReservationReply>
  /** Of buckets, by the callers' keys. */
  readonly resets: Protocol<string, true>
  /** @param stored the value of a reservation's record: `null` if there is none, `undefined` if it has another type */
  readRecord(id: ReservationId, stored: Buffer | null | undefined): RecordedRequest | undefined
}

export function protocolsFor(keys: BucketKeys, report: ReplyReport): Protocols {
  return {
    checks: {
      partitionOf: ({ key }) => bucketPartition(key),
      unitOf: ({ key }) => key,
      call: (checks, mode) => new CheckCall({ checks, keys, ...mode }),
      read: (reply, checks) => readingsIn(reply, checks, report),
    },
    groups: {
      partitionOf: ({ checks: [first], hold }) =>
        hold === undefined ? bucketPartition(first?.key ?? '') : recordPartition(hold.id),
      unitOf: group => group,
      call: (groups, mode) => new GroupCall(groups, keys, mode),
      read: (reply, groups) => groupReadingsIn(reply, groups, report),
    },
    reservations: {
      partitionOf: ({ id }) => recordPartition(id),
      unitOf: asked => asked,
      call: (calls, mode) => new ReservationCall(calls, keys, mode),
      read: (reply, calls) => reservationRepliesIn(reply, calls, report),
    },
    resets: {
      partitionOf: bucketPartition,
      unitOf: key => key,
      call: (reset, mode) => new ResetCall(reset, keys, mode),
      read: (reply, reset) => resetsIn(reply, reset, report),
    },
    readRecord: (id, stored) => {
      if (stored === null) return undefined
      const record = stored && readRecord(stored, id)
      if (record === undefined) report.damagedReservation({ id })
      return record
    },
  }
}
