import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { readSettingFile } from './read-setting-file.ts'

/** Certificates and key in PEM. */
export interface TlsFiles {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** The variables, each of which holds PEM or the path of a file that does. */
const VARIABLES = { ca: 'REDIS_TLS_CA', cert: 'REDIS_TLS_CERT', key: 'REDIS_TLS_KEY' } as const

export type TlsVariables = Readonly<Partial<Record<(typeof VARIABLES)[keyof typeof VARIABLES], string | undefined>>>

/** Reads what the variables name. Everything that is wrong is added to the faults. */
export function readTlsFiles(given: TlsVariables, faults: string[]): TlsFiles {
  const found = faults.length
  const files: Record<string, string> = {}
  for (const [part, name] of Object.entries(VARIABLES)) {
    const pem = given[name] === undefined ? undefined : readPem(name, given[name], faults)
    if (pem !== undefined) files[part] = pem
  }
  const { ca, cert, key } = files as TlsFiles
  if ((given.REDIS_TLS_CERT === undefined) !== (given.REDIS_TLS_KEY === undefined)) {
    faults.push('REDIS_TLS_CERT and REDIS_TLS_KEY belong together; allowed: both, or none')
  }
  if (ca !== undefined) faults.push(...certificateFaults('REDIS_TLS_CA', ca))
  if (cert !== undefined) faults.push(...certificateFaults('REDIS_TLS_CERT', cert))
  if (faults.length === found && key !== undefined) faults.push(...pairFaults(files))
  return files
}

function readPem(name: string, value: string, faults: string[]): string | undefined {
  if (value.startsWith('-----BEGIN ')) return value
  try {
    return readSettingFile(value)
  } catch (err) {
    faults.push(`${name} was ${JSON.stringify(value)}, which cannot be read: ${(err as Error).message}`)
    return undefined
  }
}

function certificateFaults(name: string, pem: string): string[] {
  try {
    new X509Certificate(pem)
    return []
  } catch {
    return [`${name} holds no certificate; allowed: a certificate in PEM, or the path of a file with one`]
  }
}

function pairFaults(files: TlsFiles): string[] {
  try {
    createSecureContext(files)
    return []
  } catch (err) {
    return [`REDIS_TLS_CERT and REDIS_TLS_KEY do not go together: ${(err as Error).message}`]
  }
}
