import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { parseAllDocuments, stringify } from 'yaml'
import { describeLong } from '../support/describe-long.ts'
import { GoProgram } from '../support/go-program.ts'
import { KUBERNETES, type Manifest, manifestsIn } from '../support/kubernetes.ts'

const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.8.2'
const VALIDATOR = 'kubernetes-validate==1.37.0'
const SERVICE_MONITOR = new URL('./service-monitor/', import.meta.url).pathname
/** Go compiles kustomize, and the types of the Prometheus operator. */
const BUILD_MS = 600_000

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'throttler-kubernetes-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Runs a program to its end, and returns its output. */
function run(program: string, args: readonly string[], options: { input?: string; cwd?: string } = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, { ...options, encoding: 'utf8' })
  expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, ''])
  return stdout
}

/** A deployment like the example, with everything that is optional, and with a label of its own in all selectors. */
function exampleWithProtocols(directory: string): string {
  const place = join(directory, 'deployment')
  mkdirSync(place)
  const at = (folder: string) => relative(realpathSync(place), join(KUBERNETES, folder))
  const kustomization = {
    resources: [at('example')],
    components: [at('components/protocols')],
    labels: [{ includeSelectors: true, pairs: { team: 'edge' } }],
  }
  writeFileSync(join(place, 'kustomization.yaml'), stringify(kustomization))
  return place
}

describeLong('the manifests for Kubernetes, rendered by kustomize', () => {
  let rendered: string
  beforeAll(async () => {
    const kustomize = await GoProgram.install(KUSTOMIZE, 'kustomize')
    const { code, stdout, stderr } = await kustomize.run('build', exampleWithProtocols(directory))
    await kustomize.remove()
    expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
    rendered = stdout
    writeFileSync(join(directory, 'rendered.yaml'), rendered)
  }, BUILD_MS)

  it(
    'have only members that Kubernetes knows',
    () => {
      const venv = join(directory, 'python')
      run('python3', ['-m', 'venv', venv])
      run(join(venv, 'bin/pip'), ['install', '--quiet', VALIDATOR])
      const report = run(join(venv, 'bin/kubernetes-validate'), ['--strict', join(directory, 'rendered.yaml')])
      const kinds = parseAllDocuments(rendered).length
      expect(report.match(/passed for resource/g)).toHaveLength(kinds - 1)
      expect(report).toContain('find schema for kind ServiceMonitor')
    },
    BUILD_MS,
  )

  it('let callers of every protocol reach the front processes', () => {
    const objects = parseAllDocuments(rendered).map(document => document.toJS())
    const front = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'throttler-front')
    const policy = objects.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'throttler-front')
    const ports = ['http', 'resp', 'grpc']
    const named = front.spec.template.spec.containers[0].ports.map(({ name }: { name: string }) => name)
    expect(named.toSorted()).toEqual(ports.toSorted())
    expect(policy.spec.ingress[0].ports).toEqual(ports.map(port => ({ port, protocol: 'TCP' })))
  })

  it('let pods reach what the sources say, without labels of this service in the peers', () => {
    const objects = parseAllDocuments(rendered).map(document => document.toJS() as Manifest)
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy')
    const egressOf = ({ metadata, spec }: Manifest) => [metadata.name, spec.egress]
    const sources = [...manifestsIn('base').values()].filter(({ kind }) => kind === 'NetworkPolicy')
    expect(policies.map(egressOf)).toEqual(sources.map(egressOf))
  })

  it(
    'have a ServiceMonitor that the Prometheus operator knows',
    () => {
      const monitors = parseAllDocuments(rendered)
        .map(document => document.toJS())
        .filter(({ kind }) => kind === 'ServiceMonitor')
      expect(monitors).toHaveLength(1)
      run('go', ['build', '-o', join(directory, 'service-monitor'), '.'], { cwd: SERVICE_MONITOR })
      run(join(directory, 'service-monitor'), [], { input: stringify(monitors[0]) })
    },
    BUILD_MS,
  )
})
