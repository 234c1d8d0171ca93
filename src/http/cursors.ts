import { Problem } from '../lib/errors.ts'

/** Encodes places in one list as cursors, which are opaque to callers. */
export interface Cursors<T> {
  encode(place: T): string
  /** @throws {Problem} `cursor-invalid` */
  decode(cursor: string): T
}

interface PlaceText<T> {
  write(place: T): string
  /** `undefined` if the text is not a place of this list. */
  read(text: string): T | undefined
}

/** @param list completes "was not issued by this service …" */
export function cursorsFor<T>(list: string, { write, read }: PlaceText<T>): Cursors<T> {
  const encode = (text: string) => Buffer.from(text).toString('base64url')
  return {
    encode: place => encode(write(place)),
    decode: cursor => {
      const text = Buffer.from(cursor, 'base64url').toString()
      const place = encode(text) === cursor ? read(text) : undefined
      if (place !== undefined) return place
      const detail = `the cursor "${cursor}" was not issued by this service ${list}; omit it to start from the beginning`
      throw new Problem('cursor-invalid', detail)
    },
  }
}
