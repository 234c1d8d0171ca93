import type { Service } from './service.ts'

/** Of the author `ann`, who is an admin. */
export const ADMIN = 'admin-token-0123456789'

/** Where commands for policies can work, with their options and variables. Each place has an author of its own. */
export function cliPlaces(service: () => Service) {
  return [
    {
      place: 'over HTTP',
      actor: 'ann',
      options: () => ['--url', service().url],
      variables: (): Record<string, string> => ({ THROTTLER_TOKEN: ADMIN }),
    },
    {
      place: 'on the stores',
      actor: 'bob',
      options: () => [],
      variables: (): Record<string, string> => ({ DATA_DIR: service().dataDir }),
    },
  ]
}
