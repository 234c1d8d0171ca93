import { configKeyFault } from '../../domain/key.ts'
import { Problem } from '../../lib/errors.ts'

/** Encodes places in one list as cursors, which are opaque to callers. */
export interface Cursors<T> {
  encode(place: T): string
  /** @throws {Problem} `cursor-invalid` */
  decode(cursor: string): T
}

/** Cursors that continue a list of keys with this prefix after a key. */
export function keyCursor(prefix: string): Cursors<string> {
  return cursors(`for the prefix "${prefix}"`, {
    write: key => `k${key}`,
    read: text => {
      const key = text.slice(1)
      return text[0] === 'k' && configKeyFault(key) === undefined && key.startsWith(prefix) ? key : undefined
    },
  })
}

/** Cursors that continue the history of this key after a version. */
export function versionCursor(key: string): Cursors<number> {
  return cursors(`for the history of "${key}"`, {
    write: version => `v${version} ${key}`,
    read: text => {
      const version = /^v([1-9][0-9]{0,14}) /.exec(text)?.[1]
      return version !== undefined && text.slice(version.length + 2) === key ? Number(version) : undefined
    },
  })
}

function cursors<T>(
  list: string,
  { write, read }: { write(place: T): string; read(text: string): T | undefined },
): Cursors<T> {
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
