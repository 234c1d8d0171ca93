/** Names of the service's connections, as `CLIENT LIST` shows them. */
export const ConnectionName = {
  buckets: 'throttler-buckets',
  config: 'throttler-config',
  subscriber: 'throttler-subscriber',
  worker: 'throttler-worker',
  cli: 'throttler-cli',
} as const
