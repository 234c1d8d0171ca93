/** How the service's connections are named; shown by `CLIENT LIST`. */
export const ConnectionName = {
  buckets: 'throttler-buckets',
  config: 'throttler-config',
  subscriber: 'throttler-subscriber',
  worker: 'throttler-worker',
  cli: 'throttler-cli',
} as const
