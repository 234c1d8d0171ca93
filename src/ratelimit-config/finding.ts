/** What a user of a translated configuration must know. */
export interface Finding {
  readonly file: string
  /** The config key of the policy that it is about; `undefined`: the file as a whole. */
  readonly configKey?: string
  /** Whether requests are decided differently because of it, or not at all. */
  readonly isDifference: boolean
  readonly detail: string
}
