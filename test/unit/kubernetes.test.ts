import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { parse } from 'yaml'
import { readEnv } from '../../src/settings/env.ts'
import { type Container, type Manifest, manifestsIn, type PodSpec, readYaml } from '../support/kubernetes.ts'
import { labelsThatRulesSelect } from '../support/prometheus.ts'
import { type MonitoredEndpoint, serviceMonitor } from '../support/service-monitor.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const manifests = manifestsIn('base')
const objectsOf = (kind: string) => [...manifests.values()].filter(manifest => manifest.kind === kind)
const deployments = objectsOf('Deployment')
const networkPolicies = objectsOf('NetworkPolicy')
const podOf = ({ spec }: Manifest): PodSpec => spec.template.spec
const containerOf = (manifest: Manifest): Container => podOf(manifest).containers[0] as Container
const podLabelsOf = ({ spec }: Manifest) => spec.template.metadata.labels
const deployment = (name: string) => manifests.get(`Deployment/${name}`) as Manifest

const GIVEN_BY_SECRETS: Readonly<Record<string, string>> = {
  REDIS_URL: 'redis://redis-buckets:6379',
  CONFIG_REDIS_URL: 'redis://redis-config:6379',
  LOG_KEY_SECRET: 'a-secret-of-log-keys',
}

/** What a container's process finds in its environment. Files with tokens are replaced by the tokens. */
function environmentOf({ env }: Container): Record<string, string> {
  const variables = env.map(({ name, value, valueFrom }) => {
    if (name.endsWith('_TOKENS_FILE')) return [name.replace('_FILE', ''), `ops:${name}-of-an-operator`]
    return [name, valueFrom === undefined ? value : GIVEN_BY_SECRETS[name]]
  })
  return Object.fromEntries(variables)
}

it('the documentation copies the example to a place from which it finds the base and the components', () => {
  const root = new URL('../../', import.meta.url).pathname
  const text = readFileSync(join(root, 'docs/kubernetes.md'), 'utf8')
  const [, copied = '', to = ''] = /^cp -r (\S+) (\S+)/m.exec(text) ?? []
  expect(text).toContain(`kubectl apply -k ${to}\n`)
  const { resources, components } = parse(readFileSync(join(root, copied, 'kustomization.yaml'), 'utf8'))
  const [, additional] = /Add `(\S+)` to the `components`/.exec(text) ?? []
  const missing = [...resources, ...components, additional].filter(path => !existsSync(join(root, to, path)))
  expect(missing).toEqual([])
})

describe('the component for other protocols', () => {
  const component = 'components/protocols'
  const added = containerOf(readYaml(join(component, 'front.yaml')) as Manifest)
  const service = readYaml(join(component, 'service.yaml')) as Manifest
  const [headless] = [...manifestsIn(component).values()]
  const portsOf = (service: Manifest | undefined) =>
    service?.spec.ports?.map(({ port, targetPort }) => ({ name: targetPort, containerPort: port })) ?? []

  it('sets ports of other protocols, which the Service reaches', () => {
    const variables = { ...environmentOf(containerOf(deployment('throttler-front'))), ...environmentOf(added) }
    expect(readEnv({ needsRedis: true }, variables)).toMatchObject({ RESP_PORT: 6_380, GRPC_PORT: 8_081 })
    expect(manifests.has(`Service/${service.metadata.name}`)).toBe(true)
    expect(portsOf(service)).toEqual(added.ports)
  })

  it('has a headless Service for gRPC, which selects the front processes', () => {
    const labels = { 'app.kubernetes.io/name': 'throttler', ...podLabelsOf(deployment('throttler-front')) }
    expect(headless?.spec).toMatchObject({ clusterIP: 'None', selector: labels })
    expect(added.ports).toEqual(expect.arrayContaining(portsOf(headless)))
  })

  it('lets callers reach the ports', () => {
    const { patches } = readYaml(join(component, 'kustomization.yaml')) as { patches: { patch?: string }[] }
    const operations = patches.flatMap(({ patch }) => (patch === undefined ? [] : parse(patch)))
    expect(operations.map(({ value }: { value: { port: string } }) => value.port)).toEqual(
      added.ports.map(({ name }) => name),
    )
  })
})

describe('the component for the Prometheus operator', () => {
  const { endpoints } = serviceMonitor().spec
  const labelsOf = ({ relabelings }: MonitoredEndpoint) =>
    (relabelings ?? []).map(({ targetLabel, replacement }) => `${targetLabel}=${replacement}`)

  it('gives its targets the labels that the rules select', () => {
    expect(new Set(endpoints.flatMap(labelsOf))).toEqual(labelsThatRulesSelect())
    expect(Object.fromEntries(endpoints.map(endpoint => [endpoint.port, labelsOf(endpoint)]))).toEqual({
      http: ['job=throttler', 'role=api'],
      metrics: ['job=throttler', 'role=worker'],
    })
  })

  it('scrapes the Service of every deployment', () => {
    const ports = objectsOf('Service').flatMap(({ spec }) => (spec.ports ?? []).map(({ name }) => name))
    expect(endpoints.map(({ port }) => port)).toEqual(ports)
  })
})

describe('the manifests for Kubernetes', () => {
  it('run the release of this repository', () => {
    expect(readYaml('base/kustomization.yaml')).toMatchObject({
      images: [{ name: 'throttler', newTag: version }],
      labels: [
        { pairs: { 'app.kubernetes.io/name': 'throttler' } },
        { pairs: { 'app.kubernetes.io/part-of': 'throttler', 'app.kubernetes.io/version': version } },
      ],
    })
  })

  it.each(deployments)('give $metadata.name settings that the service accepts', manifest => {
    const variables = environmentOf(containerOf(manifest))
    const env = readEnv({ needsRedis: true }, variables)
    expect(Object.keys(env)).toEqual(expect.arrayContaining(Object.keys(variables)))
    expect(env).toMatchObject({ HOST: '0.0.0.0', ADMIN_TOKENS: [expect.anything()] })
  })

  it('say how many front processes a pod has, and require tokens of callers', () => {
    expect(readEnv({ needsRedis: true }, environmentOf(containerOf(deployment('throttler-front'))))).toMatchObject({
      WEB_CONCURRENCY: 2,
      CHECK_TOKENS: [expect.anything()],
    })
  })

  it.each(deployments)('give $metadata.name time to stop', manifest => {
    const { terminationGracePeriodSeconds } = podOf(manifest)
    const { lifecycle } = containerOf(manifest)
    const pauseSeconds = Number(lifecycle?.preStop.exec.command[1] ?? 0)
    const { SHUTDOWN_TIMEOUT_MS } = readEnv({ needsRedis: true }, environmentOf(containerOf(manifest)))
    // The primary waits for up to two seconds longer than its front processes.
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(pauseSeconds + SHUTDOWN_TIMEOUT_MS / 1_000 + 4)
  })

  it.each(deployments)('give $metadata.name no right that it does not need', manifest => {
    expect(podOf(manifest)).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(containerOf(manifest).securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  it.each(deployments)('probe, limit and mount what $metadata.name has', manifest => {
    const { ports, readinessProbe, livenessProbe, resources, volumeMounts } = containerOf(manifest)
    const names = ports.map(({ name }) => name)
    for (const { httpGet } of [readinessProbe, livenessProbe]) expect(names).toContain(httpGet.port)
    expect(resources).toEqual({ requests: expect.anything(), limits: { memory: expect.anything() } })
    expect(podOf(manifest).volumes.map(({ name }) => name)).toEqual(volumeMounts.map(({ name }) => name))
  })

  it('wait for the policies before a front process gets requests, and do not restart it when Redis fails', () => {
    const { readinessProbe, livenessProbe } = containerOf(deployment('throttler-front'))
    expect([readinessProbe.httpGet.path, livenessProbe.httpGet.path]).toEqual(['/ready', '/health'])
  })

  it('select pods that exist, on ports that they have', () => {
    const selectors = [...manifests.values()].flatMap(({ kind, spec }) =>
      kind === 'Deployment' ? [] : [spec.podSelector?.matchLabels ?? spec.selector?.matchLabels ?? spec.selector ?? []],
    )
    const podLabels = deployments.map(podLabelsOf)
    for (const selector of selectors.filter(labels => !Array.isArray(labels))) {
      expect(podLabels).toContainEqual(expect.objectContaining(selector as object))
    }
    for (const { spec } of deployments) expect(spec.selector?.matchLabels).toEqual(spec.template.metadata.labels)
    const ports = deployments.flatMap(manifest => containerOf(manifest).ports)
    for (const { spec } of objectsOf('Service')) {
      for (const { port, targetPort } of spec.ports ?? []) {
        expect(ports).toContainEqual({ name: targetPort, containerPort: port })
      }
    }
  })

  it('scale and protect deployments that exist', () => {
    for (const { spec } of objectsOf('HorizontalPodAutoscaler')) {
      expect(manifests.has(`Deployment/${spec.scaleTargetRef?.name}`)).toBe(true)
    }
    expect(objectsOf('PodDisruptionBudget')).toHaveLength(deployments.length)
    expect(networkPolicies).toHaveLength(deployments.length)
  })

  it.each(networkPolicies)('let the pods of $metadata.name reach DNS', ({ spec }) => {
    const dns = { matchExpressions: [{ key: 'k8s-app', operator: 'In', values: ['kube-dns'] }] }
    expect(spec.egress).toContainEqual({
      to: [{ namespaceSelector: {}, podSelector: dns }],
      ports: ['UDP', 'TCP'].map(protocol => ({ port: 53, protocol })),
    })
  })

  it.each(networkPolicies)('let kustomize add no labels to the peers of $metadata.name', ({ spec }) => {
    const { ingress = [], egress = [] } = spec
    const peers = [...ingress.map(({ from }) => from), ...egress.map(({ to }) => to)].flat()
    expect(peers.filter(peer => peer?.podSelector?.matchLabels !== undefined)).toEqual([])
  })
})
