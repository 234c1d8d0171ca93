/**
 * Tells a process manager, if one started this process with a channel, that it does its work from now on.
 * @see https://pm2.keymetrics.io/docs/usage/signals-clean-restart/
 */
export function tellProcessManager(): void {
  if (process.connected) process.send?.('ready')
}
