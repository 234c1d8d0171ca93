import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** A new CA and the certificates that it signed, in PEM. The files are in the directory. */
export interface Certificates {
  readonly directory: string
  readonly ca: string
  readonly server: KeyPair
  readonly client: KeyPair
}

/** Makes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key` for 127.0.0.1 and localhost, valid for one day. */
export function makeCertificates(directory: string): Certificates {
  mkdirSync(directory, { recursive: true })
  const path = (name: string) => join(directory, name)
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...curve,
    '-days',
    '1',
    '-subj',
    '/CN=test ca',
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.pem'),
  )
  writeFileSync(path('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost')
  for (const name of ['server', 'client']) {
    openssl('req', ...curve, '-subj', `/CN=${name}`, '-keyout', path(`${name}.key`), '-out', path(`${name}.csr`))
    const signed = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', path('names')]
    openssl('x509', '-req', '-in', path(`${name}.csr`), ...signed, '-days', '1', '-out', path(`${name}.pem`))
  }
  const read = (name: string) => readFileSync(path(name), 'utf8')
  const pair = (name: string) => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) })
  return { directory, ca: read('ca.pem'), server: pair('server'), client: pair('client') }
}

function openssl(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
}
