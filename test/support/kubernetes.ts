import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

/** Where the manifests are. */
export const KUBERNETES = new URL('../../deploy/kubernetes/', import.meta.url).pathname

type Labels = Readonly<Record<string, string>>

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

export interface Container {
  readonly image: string
  readonly args?: readonly string[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[]
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly readinessProbe: Probe
  readonly livenessProbe: Probe
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
  readonly resources: { readonly requests: object; readonly limits: object }
  readonly securityContext: object
}

export interface PodSpec {
  readonly automountServiceAccountToken: boolean
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: object
  readonly containers: readonly Container[]
  readonly volumes: readonly { readonly name: string }[]
}

/** Whom a rule of a NetworkPolicy lets through. */
interface Peer {
  readonly namespaceSelector?: object
  readonly podSelector?: { readonly matchLabels?: Labels; readonly matchExpressions?: readonly object[] }
}

/** An object of a manifest, with the members that tests read. */
export interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels: Labels }
  readonly spec: {
    readonly selector?: Labels & { readonly matchLabels?: Labels }
    /** `None`: its name resolves to the addresses of all pods. */
    readonly clusterIP?: string
    readonly podSelector?: { readonly matchLabels: Labels }
    readonly ingress?: readonly { readonly from?: readonly Peer[] }[]
    readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports: readonly object[] }[]
    readonly scaleTargetRef?: { readonly kind: string; readonly name: string }
    readonly ports?: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[]
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec }
  }
}

/** The objects of all manifests in a folder, by kind and name. */
export function manifestsIn(folder: string): ReadonlyMap<string, Manifest> {
  const { resources } = readYaml(join(folder, 'kustomization.yaml')) as { resources: readonly string[] }
  const manifests = resources.flatMap(file =>
    parseAllDocuments(readFileSync(join(KUBERNETES, folder, file), 'utf8')).map(
      document => document.toJS() as Manifest,
    ),
  )
  return new Map(manifests.map(manifest => [`${manifest.kind}/${manifest.metadata.name}`, manifest]))
}

export function readYaml(path: string): unknown {
  return parse(readFileSync(join(KUBERNETES, path), 'utf8'))
}
