import { Type } from '@sinclair/typebox'
import { WINDOWS, type Window } from '../windows.ts'

export function windowQuery(byDefault: Window, description: string) {
  return Type.Unsafe<Window>({ type: 'string', enum: [...WINDOWS], default: byDefault, description })
}

export function timeOf(description: string) {
  return Type.String({ description: `${description} (RFC 3339, UTC).` })
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
