import { type TInteger, Type } from '@sinclair/typebox'

/** The number of a version that a caller asks for. Larger numbers would be rounded, so another version would be named. */
export function versionNumber(description: string): TInteger {
  return Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description })
}
