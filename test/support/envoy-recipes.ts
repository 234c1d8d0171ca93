import { type Document, parse, parseAllDocuments, type YAMLSeq } from 'yaml'
import { blocksUnder } from './documents.ts'
import { HTTP_FILTERS, ROUTE_LIMITS, SERVICE_CLUSTER } from './envoy.ts'
import { recipe, recipeBlocks } from './recipe.ts'

interface Istio {
  readonly spec: { readonly configPatches: readonly { readonly patch: { readonly value: object } }[] }
}
interface HttpProxy {
  readonly spec: {
    readonly virtualhost: {
      readonly rateLimitPolicy: {
        readonly global: { readonly descriptors: readonly { readonly entries: readonly ContourEntry[] }[] }
      }
    }
  }
}
type ContourEntry =
  | { readonly remoteAddress: object }
  | { readonly requestHeader: { readonly headerName: string; readonly descriptorKey: string } }
interface PatchPolicy {
  readonly spec: { readonly jsonPatches: readonly { readonly operation: { readonly value: object } }[] }
}

/** The config key of the policy that the page on protocols stores for Envoy. */
export function envoyPolicyKey(): string {
  const [command = ''] = blocksUnder('docs/protocols.md', '### Policies for descriptors', 'sh')
  return keyStoredBy(command)
}

/** The config key of the policy that a recipe stores. */
export function recipePolicyKey(name: string): string {
  return keyStoredBy(recipe(name, 'sh', {}))
}

function keyStoredBy(command: string): string {
  return decodeURIComponent(/\/config\/([^']+)'/.exec(command)?.[1] ?? '')
}

/** Envoy's own configuration, with the parts of the recipe for Istio. */
export function withIstioParts(config: Document): void {
  const { spec } = parse(recipe('istio', 'yaml', {})) as Istio
  const [filter, host] = spec.configPatches.map(({ patch }) => patch.value) as [object, { rate_limits: object }]
  config.setIn([...HTTP_FILTERS, 0], config.createNode(filter))
  config.setIn(ROUTE_LIMITS, config.createNode(host.rate_limits))
  config.setIn([...SERVICE_CLUSTER, 'name'], 'outbound|8081||throttler.throttler.svc.cluster.local')
  // Istio knows which pods are ready.
  config.deleteIn([...SERVICE_CLUSTER, 'health_checks'])
}

/** The descriptors with which an Envoy of Contour asks about a request, by the recipe. */
export function contourDescriptors(address: string, headers: Readonly<Record<string, string>>): object[] {
  const proxy = parseAllDocuments(recipe('contour', 'yaml', {}))
    .at(-1)
    ?.toJS() as HttpProxy
  const descriptors = proxy.spec.virtualhost.rateLimitPolicy.global.descriptors.map(({ entries }) =>
    entries.map(entry =>
      'remoteAddress' in entry
        ? { key: 'remote_address', value: address }
        : { key: entry.requestHeader.descriptorKey, value: headers[entry.requestHeader.headerName] },
    ),
  )
  // A descriptor with an entry that has no value is left out.
  return descriptors.filter(entries => entries.every(({ value }) => value !== undefined)).map(entries => ({ entries }))
}

/** The filter of the service, that of the estimate, and the cluster of the service in the recipe for Envoy AI Gateway. */
export function aiGatewayParts(): readonly [object, object, object] {
  const [, policy = ''] = recipeBlocks('envoy-ai-gateway', 'yaml')
  const { spec } = parse(policy) as PatchPolicy
  return spec.jsonPatches.map(({ operation }) => operation.value) as [object, object, object]
}

/** Envoy's own configuration, with the parts of the recipe for Envoy AI Gateway. */
export function withAiGatewayParts(config: Document): void {
  const [filter, estimate, cluster] = aiGatewayParts()
  config.setIn([...HTTP_FILTERS, 0], config.createNode(filter))
  const filters = config.getIn(HTTP_FILTERS) as YAMLSeq
  filters.items.splice(1, 0, config.createNode(estimate))
  config.deleteIn(ROUTE_LIMITS)
  config.setIn(SERVICE_CLUSTER, config.createNode(cluster))
}
