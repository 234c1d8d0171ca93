import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { fault } from './fault.ts'
import { readSettingFile } from './read-setting-file.ts'

/** Certificates and key in PEM. */
export interface TlsFiles {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** The variables. Each holds PEM, or the path of a PEM file. */
const VARIABLES = { ca: 'REDIS_TLS_CA', cert: 'REDIS_TLS_CERT', key: 'REDIS_TLS_KEY' } as const

type Part = keyof typeof VARIABLES

export type TlsVariables = Readonly<Partial<Record<(typeof VARIABLES)[Part], string | undefined>>>

const PEM_START = '-----BEGIN '

/** Reads the files that the variables name, and adds each fault to `faults`. */
export function readTlsFiles(given: TlsVariables, faults: string[]): TlsFiles {
  const found = faults.length
  const files: Partial<Record<Part, string>> = {}
  for (const part of ['ca', 'cert', 'key'] as const) {
    const pem = readPem(part, given[VARIABLES[part]], faults)
    if (pem !== undefined) files[part] = pem
  }
  const { REDIS_TLS_CERT, REDIS_TLS_KEY } = given
  if ((REDIS_TLS_CERT === undefined) !== (REDIS_TLS_KEY === undefined)) {
    const [only, missing] =
      REDIS_TLS_KEY === undefined ? ['REDIS_TLS_CERT', 'REDIS_TLS_KEY'] : ['REDIS_TLS_KEY', 'REDIS_TLS_CERT']
    faults.push(fault(only, `be set together with "${missing}"`, `no "${missing}"`))
  }
  if (faults.length === found && files.key !== undefined) faults.push(...pairFaults(files))
  return files
}

function readPem(part: Part, value: string | undefined, faults: string[]): string | undefined {
  if (value === undefined) return undefined
  const kind = part === 'key' ? 'private key' : 'certificate'
  const rule = `be a ${kind} in PEM, or the path of a file that contains one`
  try {
    const pem = value.startsWith(PEM_START) ? value : readSettingFile(value)
    if (part === 'key' || isCertificate(pem)) return pem
    faults.push(fault(VARIABLES[part], rule, `no certificate${value === pem ? '' : ` in ${JSON.stringify(value)}`}`))
  } catch (err) {
    faults.push(
      fault(VARIABLES[part], rule, isPath(value) ? `${JSON.stringify(value)}: ${(err as Error).message}` : NEITHER),
    )
  }
  return undefined
}

const NEITHER = 'neither; it is not shown, since it may be a secret'
const MAX_SHOWN_PATH = 200

/** Whether the value may be shown: a private key with a malformed first line may not. */
function isPath(value: string): boolean {
  return value.length <= MAX_SHOWN_PATH && !/[\r\n]|\\n|PRIVATE KEY/.test(value)
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem)
    return true
  } catch {
    return false
  }
}

function pairFaults(files: TlsFiles): string[] {
  try {
    createSecureContext(files)
    return []
  } catch (err) {
    const { reason, message } = err as Error & { readonly reason?: string }
    return [fault('REDIS_TLS_KEY', 'be the private key of "REDIS_TLS_CERT"', reason ?? message)]
  }
}
